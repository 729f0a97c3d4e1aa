"""Repeated word n-grams: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import DuplicateNgramsRule
from tasks.curation.rules.verdict import Measured, Verdict, first, outside


def judge(measured: Measured, rule: DuplicateNgramsRule) -> Verdict:
    return first(
        [
            outside(measured[f"duplicate_{n}_gram"], f"duplicate {n}-grams", maximum=maximum)
            for n, maximum in zip((5, 6, 7, 8, 9, 10), rule.maximum, strict=True)
        ]
    )
