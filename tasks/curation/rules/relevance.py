"""The most relevant part of the text stays, by a budget: DCLM (Li et al. 2024, section 4.4) keeps the best 10 %."""

from __future__ import annotations

import numpy as np

from pipeline_config.rules import RelevanceRule
from tasks.curation.rules.verdict import Measured, Verdict


def judge(measured: Measured, rule: RelevanceRule, population: Measured) -> Verdict:
    """The budget is that of `population`: what came later stays from the same score on."""
    score, fitted_to = (np.asarray(each["relevance"], np.float64) for each in (measured, population))
    weight = np.asarray(population["bytes"], np.int64) if rule.by == "bytes" else np.ones(len(fitted_to), np.int64)
    threshold = _threshold(fitted_to, weight, rule.keep)
    kept = score >= threshold
    return Verdict(
        drop=~kept,
        value=score,
        threshold=np.full(len(score), threshold),
        reason=np.zeros(len(score), np.int64),
        reasons=("relevance: beyond the budget",),
        fitted=({"threshold": threshold, "documents": int(kept.sum()), "judged": len(score)},),
    )


def _threshold(score: np.ndarray, weight: np.ndarray, keep: float) -> float:
    """The highest score from which on the documents weigh at least `keep` of all; equal scores stay together."""
    if not len(score):
        return -np.inf
    order = np.argsort(-score, kind="stable")
    reached = np.cumsum(weight[order]) >= keep * weight.sum()
    return float(score[order][np.argmax(reached)])
