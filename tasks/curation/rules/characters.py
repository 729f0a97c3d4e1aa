"""How many code points a document has: CCNet (Wenzek et al. 2020, section 3)."""

from __future__ import annotations

from pipeline_config.rules import CharactersRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: CharactersRule) -> Verdict:
    return outside(measured["characters"], "characters", minimum=rule.minimum)
