"""Words of lists per 1 000 words, or a classifier's probability. C4 (Raffel et al. 2020, section 2.2) allows none."""

from __future__ import annotations

from pipeline_config.rules import ToxicityRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: ToxicityRule) -> Verdict:
    return outside(measured["toxicity"], "toxicity", maximum=rule.maximum)
