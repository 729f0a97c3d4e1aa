"""Differences of nested settings by dotted name."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.comparison.settings import ABSENT, Difference, differences, numbers

RULES = {"rules": [{"kind": "word_count", "minimum": 4}, {"kind": "lorem_ipsum"}]}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"x": 1}, {"x": 1}, []),
        ({"x": {"y": 1, "z": 2}}, {"x": {"y": 3, "z": 2}}, [Difference("x.y", 1, 3)]),
        ({"x": 1}, {"y": None}, [Difference("x", 1, ABSENT), Difference("y", ABSENT, None)]),
        ({"seeds": [42]}, {"seeds": [42, 43]}, [Difference("seeds", [42], [42, 43])]),
        (
            RULES,
            {"rules": [{"kind": "lorem_ipsum"}, {"kind": "word_count", "minimum": 5}]},
            [Difference("rules.word_count.minimum", 4, 5)],
        ),
        (
            RULES,
            {"rules": [{"kind": "lorem_ipsum"}]},
            [Difference("rules.word_count", {"kind": "word_count", "minimum": 4}, ABSENT)],
        ),
        (
            {"objective": {"kind": "mlm", "share": 0.15}},
            {"objective": {"kind": "distillation", "layers": 3}},
            [Difference("objective.kind", "mlm", "distillation")],
        ),
    ],
)
def test_differences(a: Any, b: Any, expected: list[Difference]) -> None:
    assert list(differences(a, b)) == expected


def test_entries_without_names_of_their_own_are_compared_as_a_whole() -> None:
    twice = [{"kind": "drop_lines", "pattern": "a"}, {"kind": "drop_lines", "pattern": "b"}]
    assert list(differences({"edits": twice}, {"edits": twice[:1]})) == [Difference("edits", twice, twice[:1])]
    assert list(differences({"edits": []}, {"edits": twice[:1]})) == [Difference("edits", [], twice[:1])]


def test_numbers_leave_out_what_is_none() -> None:
    found = differences({"a": 1, "b": "x", "c": True, "d": 2}, {"a": 1.5, "b": "y", "c": False}, "node")
    assert list(numbers(found)) == [Difference("node.a", 1, 1.5)]
