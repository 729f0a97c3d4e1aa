from __future__ import annotations

import enum
import json
import math
import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pipeline_config.base import NOT_IDENTITY, Section
from tasks.runtime.artifact import Checkpoint
from tasks.runtime.fingerprint import canonical, digest_of, fingerprint, resolved

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


class Soft(Section):
    kind: Literal["soft"]
    weight: float = 1.0


class Hard(Section):
    kind: Literal["hard"]
    weight: float = 1.0


class Plain(Section):
    rate: float = 0.1
    place: str = Field(default="", json_schema_extra=NOT_IDENTITY)
    loss: Annotated[Soft | Hard, Field(discriminator="kind")] = Soft(kind="soft")


class Grown(Plain):
    fresh: int = 7


@given(JSON)
def test_a_value_and_its_copy_through_json_have_one_digest(value: Any) -> None:
    assert digest_of(value) == digest_of(json.loads(json.dumps(value)))


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(value.items())))


@given(JSON, JSON)
def test_unequal_values_have_unequal_digests(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if not same and not _negative_zero(one) and not _negative_zero(other):
        assert digest_of(one) != digest_of(other)


def _negative_zero(value: Any) -> bool:
    return "-0.0" in json.dumps(value)


def test_a_default_written_out_is_no_change() -> None:
    assert digest_of(Plain()) == digest_of(Plain(rate=0.1, loss=Soft(kind="soft", weight=1.0)))


def test_a_new_optional_field_is_no_change() -> None:
    assert digest_of(Plain(rate=0.5)) == digest_of(Grown(rate=0.5))
    assert digest_of(Plain()) != digest_of(Grown(fresh=8))


def test_a_place_is_no_change_but_everything_else_is() -> None:
    assert digest_of(Plain(place="here")) == digest_of(Plain(place="there"))
    assert digest_of(Plain()) != digest_of(Plain(rate=0.2))


def test_members_of_a_union_with_equal_fields_differ() -> None:
    assert digest_of(Soft(kind="soft", weight=2)) != digest_of(Hard(kind="hard", weight=2))
    assert digest_of(Plain(loss=Hard(kind="hard"))) != digest_of(Plain())


def test_an_artifact_stands_for_its_fingerprint_alone() -> None:
    one = Checkpoint(node="pretrain", fingerprint="f", digest="d")
    assert digest_of(one) == digest_of(Checkpoint(node="elsewhere", fingerprint="f"))
    assert digest_of(one) != digest_of(Checkpoint(node="pretrain", fingerprint="g", digest="d"))


def test_stage_version_and_arguments_all_count() -> None:
    base = fingerprint("s", 1, {"config": Plain()})
    others = [
        fingerprint("t", 1, {"config": Plain()}),
        fingerprint("s", 2, {"config": Plain()}),
        fingerprint("s", 1, {"config": Plain(rate=1)}),
        fingerprint("s", 1, {"other": Plain()}),
    ]
    assert len({base, *others}) == 5


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), {1: 2}, lambda: 0])
def test_what_has_no_canonical_form_raises(value: Any) -> None:
    with pytest.raises(TypeError, match="value"):
        canonical(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_raises(value: float) -> None:
    with pytest.raises(ValueError, match=r"value\.rate=.*finite"):
        canonical({"rate": value})


def test_enums_count_by_value_and_zeros_have_one_sign() -> None:
    class Side(enum.Enum):
        LEFT = "left"

    assert canonical(Side.LEFT) == "left"
    assert digest_of(-0.0) == digest_of(0.0)


def test_the_hash_seed_does_not_count() -> None:
    program = "from tasks.runtime.fingerprint import digest_of; print(digest_of({'b': [1, 2.5], 'a': {'x': None}}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(found) == 1


def test_the_resolved_config_shows_defaults_and_no_places() -> None:
    assert resolved(Plain(place="here")) == {"rate": 0.1, "loss": {"kind": "soft", "weight": 1.0}}
