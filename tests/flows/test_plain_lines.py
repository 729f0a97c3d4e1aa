"""How `textmill show NODE` prints figures."""

from __future__ import annotations

from flows.plain_lines import as_lines


def test_small_lists_are_tables_and_nothing_of_them_is_left_out() -> None:
    steps = [{"step": f"rule {n}", "documents": n, "alone": {"documents": 10 * n}} for n in range(15)]
    lines = as_lines({"steps": steps})
    assert lines[:3] == [
        "  steps:",
        "    step     documents  alone documents",
        "    rule 0           0                0",
    ]
    assert len(lines) == 2 + 15
    assert lines[-1] == "    rule 14         14              140"


def test_a_column_that_some_rows_lack_stays_empty() -> None:
    assert as_lines({"steps": [{"step": "a", "n": 1}, {"step": "b"}]})[2:] == ["    a     1", "    b"]


def test_what_is_too_wide_is_yaml_and_one_value_is_a_line() -> None:
    assert as_lines({"wide": [{"a": "x" * 60, "b": "y" * 60}]})[1].startswith("  - {a: xxx")
    assert as_lines({"labels": 12, "share": 0.123456, "none": []}) == ["  labels: 12", "  share: 0.1235", "  none: []"]
