"""Mean length of words in characters: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import MeanWordLengthRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: MeanWordLengthRule) -> Verdict:
    return outside(measured["mean_word_length"], "mean word length", minimum=rule.minimum, maximum=rule.maximum)
