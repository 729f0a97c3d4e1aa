"""A champion that somebody set in MLflow without Textmill: honoured, told, recorded, and judged on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from flows.commands.doctor import _champion
from pipeline_config.promotion import PromotionConfig
from tasks.promotion.journal import champion_note, read_ledger
from tasks.promotion.ledger import Aliases, Entry, unchecked, undoable
from tasks.promotion.promote import register_and_promote
from tasks.runtime.registry import Registry
from tests.promotion.shop import Shop

YAML = "preset: cloud-security\nmodel: {name: m}\n"


def entry(action: str, before: int | None, after: int | None) -> Entry:
    made = {"from": {"champion": before}, "to": {"champion": after}, "verdict": "passed"}
    return Entry.model_validate(
        {"id": f"{action}{after}", "when": "", "who": "", "model": "m", "action": action, **made}
    )


@pytest.mark.parametrize(
    ("entries", "champion", "by_hand"),
    [
        ([], None, False),
        ([], 2, True),
        ([entry("promote", None, 2)], 2, False),
        ([entry("promote", None, 2)], 3, True),
        ([entry("promote", None, 2), entry("promote", 2, 3)], 2, True),
        ([entry("promote", None, 2), entry("external", 2, 3)], 3, True),
        ([entry("external", None, 3), entry("promote", 3, 4), entry("rollback", 4, 3)], 3, True),
        ([entry("external", None, 3), entry("promote", 3, 3)], 3, False),
    ],
)
def test_whether_the_gates_of_the_champion_were_asked(
    entries: list[Entry], champion: int | None, by_hand: bool
) -> None:
    assert unchecked(entries, "m", champion) == by_hand


def test_a_judgement_that_moved_nothing_is_not_undone() -> None:
    first = entry("promote", None, 2)
    assert undoable([first, entry("external", 2, 3), entry("promote", 3, 3)], "m") == first


def test_a_champion_set_by_hand(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    root: Path = shop.workspace.root
    (root / "textmill.yaml").write_text(YAML)
    at = ["--workspace", str(root)]
    registry = Registry(shop.workspace)

    def run() -> None:
        register_and_promote(
            registry,
            model="m",
            config=PromotionConfig(auto=False),
            evaluation=shop.evaluation,
            models=shop.models,
            compressed=shop.compressed,
            checkpoint=None,
            run_ids={},
        )

    run()
    registry.client.set_registered_model_alias("m", "champion", "2")  # as the page of MLflow does
    assert champion_note(registry, "m") == "version 2 was set as champion by hand: gates not checked"
    assert registry.resolve("m").version == 2
    (finding,) = _champion(shop.workspace, "m")
    assert (finding.good, finding.has) == (False, champion_note(registry, "m"))
    assert main(["show", "m@champion", *at]) == 0
    assert "gates not checked" in capsys.readouterr().out
    assert main(["show", "m/3", *at]) == 0
    assert "gates not checked" not in capsys.readouterr().out
    assert read_ledger(shop.workspace.ledger) == []

    run()
    (external,) = read_ledger(shop.workspace.ledger)
    assert (external.action, external.after) == ("external", Aliases(champion=2))
    assert "**gates not checked**" in str(registry.about("m")[1])
    assert "champion version 2" not in registry.get("m", 3).description
    assert registry.get("m", 3).tags["gate.holds_against_champion"] == "pass"  # it was compared with version 2

    assert main(["promote", "m", "2", "promotion.parent_margin=0", *at]) == 3
    assert "was set as champion by hand, and its gates refuse it" in capsys.readouterr().err
    assert champion_note(registry, "m")
    assert main(["promote", "m", "2", *at]) == 0
    assert champion_note(registry, "m") == ""
    assert registry.aliases("m") == {"challenger": 3, "champion": 2}
    assert [one.action for one in read_ledger(shop.workspace.ledger)] == ["external", "promote"]
    assert "gates not checked" not in str(registry.about("m")[1])
    (finding,) = _champion(shop.workspace, "m")
    assert (finding.good, finding.has) == (True, "m version 2 (student)")


def test_a_damaged_champion_is_replaced_by_its_own_copy(shop: Shop) -> None:
    """Its figures are gone with its files, so nothing could be compared: but it is the same model."""
    import shutil

    registry = Registry(shop.workspace)
    arguments: dict[str, Any] = {
        "model": "m",
        "config": PromotionConfig(),
        "evaluation": shop.evaluation,
        "models": shop.models,
        "compressed": shop.compressed,
        "checkpoint": None,
        "run_ids": {},
    }
    assert register_and_promote(registry, **arguments).champion == 3
    shutil.rmtree(registry.folder(registry.get("m", 3)))
    (finding,) = _champion(shop.workspace, "m")
    assert finding.has == "m version 3 is damaged: all files are gone"
    outcome = register_and_promote(registry, **arguments)
    assert outcome.promoted, outcome.sentence()
    assert registry.aliases("m") == {"challenger": 4, "champion": 4, "previous": 3}
    assert registry.damage(registry.resolve("m")) == ()
