"""Share of lines that end with punctuation: FineWeb (Penedo et al. 2024, section 3.5)."""

from __future__ import annotations

from pipeline_config.rules import LinePunctuationRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: LinePunctuationRule) -> Verdict:
    return outside(measured["punctuated_lines"], "lines ending in punctuation", minimum=rule.minimum)
