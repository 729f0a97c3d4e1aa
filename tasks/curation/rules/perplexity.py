"""Bits per byte at both tails, by quantiles of the corpus: CCNet (Wenzek et al. 2020, section 3.4) cuts one."""

from __future__ import annotations

import numpy as np

from pipeline_config.selection import PerplexityRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: PerplexityRule) -> Verdict:
    bits = measured["bits_per_byte"]
    low, high = np.quantile(bits, [rule.low_quantile, rule.high_quantile]) if len(bits) else (-np.inf, np.inf)
    return outside(bits, "bits per byte", minimum=float(low), maximum=float(high))
