"""`promotion.manual`: a person decides, and the ledger keeps who and why."""

from __future__ import annotations

import pytest

from pipeline_config.promotion import PromotionConfig
from tasks.promotion.journal import read_ledger
from tasks.promotion.ledger import rejected
from tasks.promotion.promote import Promotion, promote, register_and_promote, reject
from tasks.runtime.errors import RefusedInput
from tasks.runtime.registry import Registry
from tests.promotion.shop import Shop

CONFIG = PromotionConfig(manual=True)


def run(shop: Shop) -> Promotion:
    return register_and_promote(
        Registry(shop.workspace),
        model="m",
        config=CONFIG,
        evaluation=shop.evaluation,
        models=shop.models,
        compressed=shop.compressed,
        checkpoint=shop.checkpoint,
        run_ids={},
    )


def test_a_candidate_that_passed_waits_and_the_command_is_named(shop: Shop) -> None:
    outcome = run(shop)
    assert (outcome.waits, outcome.promoted, outcome.refused) == (True, False, False)
    assert outcome.sentence().endswith("promotion.manual is on: textmill promote m 3")
    assert Registry(shop.workspace).aliases("m") == {"challenger": 3}
    assert run(shop).waits


def test_an_approval_is_entered_with_name_and_reason(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    outcome = promote(registry, model="m", version=3, config=CONFIG, who="Ann", reason="rare classes")
    assert outcome.promoted
    (entry,) = read_ledger(shop.workspace.ledger)
    assert (entry.action, entry.who, entry.reason, entry.verdict) == (
        "promote",
        "Ann",
        "rare classes",
        "passed",
    )
    assert not run(shop).waits  # champion already


def test_a_rejection_moves_nothing_and_is_not_asked_about_again(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    reject(registry, model="m", version=3, who="Ann", reason="leaks names")
    assert registry.aliases("m") == {"challenger": 3}
    (entry,) = read_ledger(shop.workspace.ledger)
    assert (entry.action, entry.version, entry.who, entry.reason) == ("reject", 3, "Ann", "leaks names")
    outcome = run(shop)
    assert (outcome.waits, outcome.rejected) == (False, True)
    assert "rejected" in outcome.sentence()
    assert not rejected(read_ledger(shop.workspace.ledger), "m", 4)
    promote(registry, model="m", version=3, config=CONFIG)  # a person may change their mind
    assert not rejected(read_ledger(shop.workspace.ledger), "m", 3)


def test_who_is_not_named_is_the_user_of_the_process(shop: Shop) -> None:
    run(shop)
    reject(Registry(shop.workspace), model="m", version=3, who=" ", reason="")
    (entry,) = read_ledger(shop.workspace.ledger)
    assert entry.who.strip()
    with pytest.raises(RefusedInput, match="99"):
        reject(Registry(shop.workspace), model="m", version=99, who="", reason="")
