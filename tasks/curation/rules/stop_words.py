"""Distinct English stop words: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import StopWordsRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: StopWordsRule) -> Verdict:
    return outside(measured["stop_words"], "stop words", minimum=rule.minimum)
