"""What a model must beat: the most frequent class, and TF-IDF with a linear support vector machine.

The latter is hard to beat with few labels (Wang & Manning 2012, "Baselines and Bigrams", P12-2018; Joachims 1998).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from pipeline_config.evaluation import TfidfConfig
from tasks.downstream.classification import LabelledSplit
from tasks.downstream.intervals import METRICS, Metric

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TfidfFit:
    predicted: Integers
    """(N,) classes of the test texts."""
    chosen: dict[str, Any]
    """`features`, `cost`, `class_weights` and the validation score that chose them."""


def majority(training: LabelledSplit, count: int, classes: int) -> tuple[Integers, NDArray[np.float32]]:
    """The most frequent training class (the first of equals) for `count` texts, and the classes' shares (count, C)."""
    shares = np.bincount(training.labels, minlength=classes) / len(training)
    return np.full(count, shares.argmax(), dtype=np.int64), np.tile(shares.astype(np.float32), (count, 1))


def tfidf(
    training: LabelledSplit,
    validation: LabelledSplit,
    texts: Sequence[str],
    *,
    config: TfidfConfig,
    metric: Metric,
    classes: int,
    seed: int,
) -> TfidfFit:
    """Fit on the training split, choose features, cost and weights by `metric` on validation, and classify `texts`."""
    best: tuple[float, Any, Any, dict[str, Any]] | None = None
    for name, features in _feature_sets(config):
        fitted = features.fit_transform(training.texts)
        held_out = features.transform(validation.texts)
        for cost, weights in itertools.product(config.costs, config.class_weights):
            weight = "balanced" if weights == "balanced" else None
            machine = LinearSVC(C=cost, class_weight=weight, random_state=seed, max_iter=20_000)
            score = _score(validation.labels, machine.fit(fitted, training.labels).predict(held_out), metric, classes)
            if best is None or score > best[0]:
                chosen = {"features": name, "cost": cost, "class_weights": weights, f"validation_{metric}": score}
                best = (score, features, machine, chosen)
    assert best is not None
    _, features, machine, chosen = best
    return TfidfFit(predicted=machine.predict(features.transform(list(texts))).astype(np.int64), chosen=chosen)


def _feature_sets(config: TfidfConfig) -> list[tuple[str, Any]]:
    def words() -> TfidfVectorizer:
        return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, config.word_ngrams))

    sets: list[tuple[str, Any]] = [("words", words())]
    if config.character_ngrams is not None:
        characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=config.character_ngrams)
        sets.append(("words and characters", FeatureUnion([("words", words()), ("characters", characters)])))
    return sets


def _score(labels: Integers, predicted: Integers, metric: Metric, classes: int) -> float:
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return float(METRICS[metric](confusion))
