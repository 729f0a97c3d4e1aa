"""The bootstrap against scipy, scikit-learn and arithmetic by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from tasks.downstream.intervals import Bootstrap, accuracy, macro_f1, paired_difference


def sample(count: int = 240, groups: int = 60, classes: int = 4, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Labels, groups, and two models that are right in about 80 % and 60 %."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    better = np.where(rng.random(count) < 0.8, labels, rng.integers(classes, size=count))
    worse = np.where(rng.random(count) < 0.5, labels, rng.integers(classes, size=count))
    return labels, rng.integers(groups, size=count), better, worse


def bootstrap(labels: np.ndarray, groups: np.ndarray, **changes: Any) -> Bootstrap:
    arguments = {"classes": int(labels.max()) + 1, "resamples": 4000, "confidence": 0.95, "seed": 0, **changes}
    return Bootstrap.of(labels=labels, groups=groups, **arguments)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(part) for part in zip(*pairs, strict=True))
    confusion = np.zeros((5, 5))
    np.add.at(confusion, (truth, predicted), 1)
    assert accuracy(confusion) == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))


def test_with_groups_of_one_the_interval_of_accuracy_is_that_of_scipy() -> None:
    labels, _, better, _ = sample()
    found = bootstrap(labels, np.arange(len(labels))).interval(better, "accuracy")
    right = (labels == better).astype(float)
    expected = stats.bootstrap(
        (right,), np.mean, n_resamples=4000, method="percentile", random_state=0, vectorized=True
    ).confidence_interval
    assert found.value == pytest.approx(right.mean())
    assert found.low == pytest.approx(expected.low, abs=0.006)
    assert found.high == pytest.approx(expected.high, abs=0.006)


def test_every_resample_scores_as_its_documents_do() -> None:
    labels, groups, better, worse = sample(count=40, groups=9)
    few = bootstrap(labels, groups, resamples=200, confidence=0.9)
    members = np.unique(groups, return_inverse=True)[1]
    drawn = [np.repeat(np.arange(40), counts.astype(int)[members]) for counts in few.weights]
    scores = [
        f1_score(labels[rows], better[rows], average="macro", zero_division=0)
        - f1_score(labels[rows], worse[rows], average="macro", zero_division=0)
        for rows in drawn
    ]
    found = few.difference(better, worse, "macro_f1")
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(scores, [0.05, 0.95])))


def test_groups_that_stand_or_fall_together_widen_the_interval() -> None:
    labels = np.zeros(200, dtype=int)
    predicted = np.repeat(np.arange(20) % 2, 10)
    alone = bootstrap(labels, np.arange(200), classes=2).interval(predicted, "accuracy")
    grouped = bootstrap(labels, np.repeat(np.arange(20), 10), classes=2).interval(predicted, "accuracy")
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)  # sqrt(10) times


def test_a_paired_interval_is_narrower_than_the_scores_apart() -> None:
    labels, groups, better, _ = sample()
    almost = better.copy()
    almost[:6] = labels[:6]
    found = bootstrap(labels, groups).difference(almost, better, "accuracy")
    apart = bootstrap(labels, groups).interval(better, "accuracy")
    assert found.high - found.low < (apart.high - apart.low) / 2


def test_a_model_against_itself_gains_exactly_nothing() -> None:
    labels, groups, better, _ = sample()
    found = paired_difference(better, better, labels=labels, groups=groups)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_several_seeds_are_averaged_and_their_noise_is_in_the_interval() -> None:
    labels, groups, better, worse = sample()
    both = bootstrap(labels, groups).interval(np.stack([better, worse]), "accuracy")
    assert both.value == pytest.approx(((labels == better).mean() + (labels == worse).mean()) / 2)
    one = bootstrap(labels, groups).interval(better, "accuracy")
    assert both.high - both.low > one.high - one.low


def test_order_of_documents_does_not_matter() -> None:
    labels, groups, better, worse = sample()
    shuffled = np.random.default_rng(5).permutation(len(labels))
    expected = paired_difference(better, worse, labels=labels, groups=groups)
    found = paired_difference(better[shuffled], worse[shuffled], labels=labels[shuffled], groups=groups[shuffled])
    assert found == expected


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 labels and 2 groups"):
        bootstrap(np.zeros(3, dtype=int), np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="2 predictions for 3 labels"):
        bootstrap(np.zeros(3, dtype=int), np.zeros(3, dtype=int)).interval(np.zeros(2, dtype=int), "accuracy")


def test_it_needs_nothing_but_numpy() -> None:
    code = (
        "import sys, tasks.downstream.intervals; sys.exit(any(m in sys.modules for m in ('torch','sklearn','pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
