"""Paragraphs that repeat an earlier one: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import DuplicateParagraphsRule
from tasks.curation.rules.verdict import Measured, Verdict, first, outside


def judge(measured: Measured, rule: DuplicateParagraphsRule) -> Verdict:
    return first(
        [
            outside(measured["duplicate_paragraphs"], "duplicate paragraphs", maximum=rule.maximum),
            outside(
                measured["duplicate_paragraph_characters"],
                "characters in duplicate paragraphs",
                maximum=rule.maximum_characters,
            ),
        ]
    )
