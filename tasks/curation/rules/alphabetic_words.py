"""Share of words with a letter: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import AlphabeticWordsRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: AlphabeticWordsRule) -> Verdict:
    return outside(measured["alphabetic_words"], "words with a letter", minimum=rule.minimum)
