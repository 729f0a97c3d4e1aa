"""Language as identified by fastText: FineWeb (Penedo et al. 2024, section 3.3) and CCNet (Wenzek et al. 2020).

Confidence is low for short and technical text, so by default only what is confidently foreign is dropped.
"""

from __future__ import annotations

import numpy as np

from pipeline_config.rules import LanguageRule
from tasks.curation.rules.verdict import Measured, Verdict


def judge(measured: Measured, rule: LanguageRule) -> Verdict:
    language, score = measured["language"], measured["language_score"]
    codes, index = np.unique(language.astype(str), return_inverse=True)
    wanted = np.isin(codes, rule.languages)[index]
    wants = " or ".join(rule.languages)
    return Verdict(
        drop=np.where(wanted, score < rule.min_score, score >= rule.foreign_score),
        value=score,
        threshold=np.where(wanted, rule.min_score, rule.foreign_score),
        reason=np.where(wanted, len(codes), index),
        reasons=(*(f"language: {code}, wanted {wants}" for code in codes.tolist()), f"language: hardly {wants}"),
    )
