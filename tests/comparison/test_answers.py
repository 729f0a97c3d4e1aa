"""Flips and paired differences of two models on one test set."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tasks.comparison.answers import Answers, Flip, flips, same_documents, score_difference

NAMES = ("x", "y", "z")


def table(predicted: list[int], ids: str = "abcdef") -> pa.Table:
    return pa.table({"id": list(ids), "group": [0, 0, 1, 1, 2, 2], "label": [0, 1, 2, 0, 1, 2], "predicted": predicted})


RIGHT = Answers.of([table([0, 1, 2, 0, 1, 2])], NAMES)


def test_flips_by_turn_then_id() -> None:
    a = Answers.of([table([1, 1, 1, 0, 1, 2])], NAMES)  # wrong at a and c
    b = Answers.of([table([0, 1, 0, 0, 2, 0])], NAMES)  # a is right again, c wrong otherwise, e and f wrong
    assert flips(a, b) == [
        Flip("e", "right to wrong", "y", "y", "z"),
        Flip("f", "right to wrong", "z", "z", "x"),
        Flip("a", "wrong to right", "x", "y", "x"),
        Flip("c", "wrong to wrong", "z", "y", "x"),
    ]
    assert flips(a, a) == []


def test_labels_are_compared_by_name() -> None:
    """Another order of the classes is no flip; rows in another order are the same documents."""
    other = pa.table(
        {
            "id": list("fedcba"),
            "group": [2, 2, 1, 1, 0, 0],
            "label": [0, 1, 2, 0, 1, 2],
            "predicted": [0, 1, 2, 0, 1, 2],
        }
    )
    swapped = Answers.of([other], ("z", "y", "x"))
    assert same_documents(RIGHT, swapped)
    assert flips(RIGHT, swapped) == []
    assert not same_documents(RIGHT, Answers.of([table([0] * 6, "abcdeg")], NAMES))


def test_the_difference_is_b_minus_a() -> None:
    worse = Answers.of([table([1, 1, 1, 0, 1, 2])], NAMES)
    found = score_difference(RIGHT, worse, "accuracy", resamples=500, confidence=0.95, seed=1)
    assert found.value == pytest.approx(-2 / 6)
    assert found.low <= found.value <= found.high <= 0
    assert score_difference(worse, worse, "macro_f1", resamples=50, confidence=0.95, seed=1).as_dict() == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
    }


def test_seeds_may_be_more_on_one_side() -> None:
    two = Answers.of([table([1, 1, 2, 0, 1, 2]), table([0, 1, 2, 0, 1, 2])], NAMES)
    found = score_difference(RIGHT, two, "accuracy", resamples=200, confidence=0.95, seed=1)
    assert found.value == pytest.approx(-1 / 12)
    assert [flip.id for flip in flips(RIGHT, two)] == ["a"]  # of the first seed
