"""How many words a document has: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import WordCountRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: WordCountRule) -> Verdict:
    return outside(measured["words"], "words", minimum=rule.minimum, maximum=rule.maximum)
