"""Scores with intervals: the cluster bootstrap over the groups of a test set.

Documents of one group resemble one another, so whole groups are drawn with replacement (Efron & Tibshirani, *An
Introduction to the Bootstrap*, 1993, ch. 8 and 13: percentile intervals). A score depends on the predictions only
through the confusion counts, and those of a resample are the sum of its groups': one matrix product gives them all.
Two models are compared on the *same* resamples, which takes out what they share. Cost: O(R · G · C²), under a second
for R = 2000 resamples, G = 400 groups and C = 12 classes.

Several seeds of one model are rows of `predicted`: the score is the mean over seeds, and each resample draws seeds
with replacement as well, so that the interval holds seed noise too (with few seeds it understates it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Metric = Literal["accuracy", "macro_f1"]
Array = np.ndarray[Any, Any]


def accuracy(confusion: Array) -> Array:
    """Share of right predictions. `confusion`: counts (..., C, C), true class by predicted class."""
    right = np.trace(confusion, axis1=-2, axis2=-1)
    return np.asarray(right / confusion.sum(axis=(-2, -1)))


def macro_f1(confusion: Array) -> Array:
    """Unweighted mean of F1 over the classes that occur among truths or predictions (as scikit-learn has it)."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)  # (..., C) support + predicted
    f1 = np.divide(2.0 * right, total, out=np.zeros(total.shape), where=total > 0)
    return np.asarray(f1.sum(axis=-1) / (total > 0).sum(axis=-1))


METRICS: dict[Metric, Callable[[Array], Array]] = {"accuracy": accuracy, "macro_f1": macro_f1}


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its percentile interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of a test set: how often each resample holds each group."""

    labels: Array
    """(N,) true class indices."""
    members: Array
    """(N,) index of the document's group, 0 … G − 1."""
    weights: Array
    """(R, G) counts; every row sums to G."""
    classes: int
    confidence: float
    seed: int

    @staticmethod
    def of(*, labels: Array, groups: Array, classes: int, resamples: int, confidence: float, seed: int) -> Bootstrap:
        """`labels` and `groups`: (N,) integers. The same arguments give the same resamples."""
        if len(labels) == 0 or len(labels) != len(groups):
            raise ValueError(f"{len(labels)} labels and {len(groups)} groups: expected as many of both, and some")
        members = np.unique(groups, return_inverse=True)[1]
        count = int(members.max()) + 1
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        return Bootstrap(
            labels=np.asarray(labels),
            members=members,
            weights=weights.astype(np.float64),
            classes=classes,
            confidence=confidence,
            seed=seed,
        )

    def interval(self, predicted: Array, metric: Metric) -> Interval:
        """Score of `predicted`: class indices (N,), or (S, N) for S seeds."""
        return self._percentiles(*self._scores(predicted, metric))

    def difference(self, first: Array, second: Array, metric: Metric) -> Interval:
        """Score of `first` minus that of `second`, both resampled alike. Equal numbers of seeds are paired."""
        value_a, scores_a = self._scores(first, metric)
        value_b, scores_b = self._scores(second, metric)
        return self._percentiles(value_a - value_b, scores_a - scores_b)

    def agreement(self, first: Array, second: Array) -> Interval:
        """Share of documents to which both give the same class. Both (N,)."""
        same = (np.asarray(first) == np.asarray(second)).astype(np.float64)
        return self.mean(same)

    def mean(self, values: Array) -> Interval:
        """Mean over documents of `values` (N,)."""
        return self.ratio(values, np.ones(len(values)))

    def ratio(self, numerators: Array, denominators: Array) -> Interval:
        """Sum of `numerators` over sum of `denominators`, both (N,)."""
        over, under = self._by_group(numerators), self._by_group(denominators)
        return self._percentiles(
            float(over.sum() / under.sum()), (self.weights @ over) / np.maximum(self.weights @ under, 1e-12)
        )

    def _scores(self, predicted: Array, metric: Metric) -> tuple[float, Array]:
        """The score and (R,) its resamples, means over seeds."""
        rows = np.atleast_2d(np.asarray(predicted))  # (S, N)
        if rows.shape[1] != len(self.labels):
            raise ValueError(f"{rows.shape[1]} predictions for {len(self.labels)} labels")
        score = METRICS[metric]
        values, resampled = [], []
        for row in rows:
            confusion = self._confusion(row)  # (G, C·C)
            values.append(float(score(confusion.sum(axis=0).reshape(self.classes, self.classes))))
            drawn = (self.weights @ confusion).reshape(-1, self.classes, self.classes)
            resampled.append(score(drawn))
        scores = np.stack(resampled)  # (S, R)
        seeds, resamples = scores.shape
        if seeds > 1:
            draw = np.random.default_rng((self.seed, seeds)).integers(seeds, size=(seeds, resamples))
            scores = np.take_along_axis(scores, draw, axis=0)
        return float(np.mean(values)), scores.mean(axis=0)

    def _confusion(self, predicted: Array) -> Array:
        """(G, C·C) counts of (true, predicted) by group."""
        cells = self.classes**2
        where = self.members * cells + self.labels * self.classes + predicted
        return np.bincount(where, minlength=self.weights.shape[1] * cells).reshape(-1, cells).astype(np.float64)

    def _by_group(self, values: Array) -> Array:
        return np.bincount(self.members, weights=values, minlength=self.weights.shape[1])

    def _percentiles(self, value: float, resampled: Array) -> Interval:
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return Interval(value=value, low=float(low), high=float(high))


def paired_difference(
    predicted: Array,
    other: Array,
    *,
    labels: Array,
    groups: Array,
    metric: Metric = "macro_f1",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Interval:
    """How much better `predicted` scores than `other` on the same documents. All (N,), class indices and group ids."""
    highest = max(int(np.max(labels)), int(np.max(predicted)), int(np.max(other)))
    bootstrap = Bootstrap.of(
        labels=labels, groups=groups, classes=highest + 1, resamples=resamples, confidence=confidence, seed=seed
    )
    return bootstrap.difference(predicted, other, metric)
