"""The most frequent word n-gram: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import TopNgramsRule
from tasks.curation.rules.verdict import Measured, Verdict, first, outside


def judge(measured: Measured, rule: TopNgramsRule) -> Verdict:
    return first(
        [
            outside(measured[f"top_{n}_gram"], f"most frequent {n}-gram", maximum=maximum)
            for n, maximum in zip((2, 3, 4), rule.maximum, strict=True)
        ]
    )
