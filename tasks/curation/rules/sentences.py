"""Ends of sentences: C4 (Raffel et al. 2020, section 2.2)."""

from __future__ import annotations

from pipeline_config.rules import SentencesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: SentencesRule) -> Verdict:
    return outside(measured["sentences"], "sentences", minimum=rule.minimum)
