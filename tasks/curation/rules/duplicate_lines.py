"""Lines that repeat an earlier one: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import DuplicateLinesRule
from tasks.curation.rules.verdict import Measured, Verdict, first, outside


def judge(measured: Measured, rule: DuplicateLinesRule) -> Verdict:
    return first(
        [
            outside(measured["duplicate_lines"], "duplicate lines", maximum=rule.maximum),
            outside(
                measured["duplicate_line_characters"],
                "characters in duplicate lines",
                maximum=rule.maximum_characters,
            ),
        ]
    )
