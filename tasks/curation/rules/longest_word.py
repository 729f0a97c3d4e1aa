"""Characters of the longest word: C4 (Raffel et al. 2020, section 2.2)."""

from __future__ import annotations

from pipeline_config.rules import LongestWordRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: LongestWordRule) -> Verdict:
    return outside(measured["longest_word"], "longest word", maximum=rule.maximum)
