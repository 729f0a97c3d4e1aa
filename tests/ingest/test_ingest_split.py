"""Groups, splits and draws against definitions written out by hand."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest.split import Pairs, draw, groups_of, near_duplicates, split

NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
words = st.lists(st.sampled_from("abc"), max_size=12).map(" ".join)


@given(st.lists(words, max_size=10), st.sampled_from([0.2, 0.5, 1.0]))
def test_near_duplicates_are_those_of_the_definition(texts: list[str], threshold: float) -> None:
    def shingles(text: str) -> set[tuple[str, ...]]:
        found = re.findall(r"\w+", text)
        return {tuple(found[i : i + 5]) for i in range(max(1, len(found) - 4))} if found else set()

    expected = {}
    for (a, one), (b, other) in combinations(enumerate(map(shingles, texts)), 2):
        union = len(one | other)
        if one and other and len(one & other) / union >= threshold:
            expected[a, b] = len(one & other) / union
    pairs = near_duplicates(texts, threshold)
    found = {(int(a), int(b)): float(j) for a, b, j in zip(pairs.left, pairs.right, pairs.jaccard, strict=True)}
    assert found == pytest.approx(expected)


def test_groups_are_components_united_with_the_given_groups() -> None:
    pairs = Pairs(np.array([0, 1, 4]), np.array([1, 2, 5]), np.ones(3))
    given_groups = [None, None, "x", "x", None, None, "y"]
    assert groups_of(7, pairs, given_groups).tolist() == [0, 0, 0, 0, 1, 1, 2]


examples = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=60)


@given(examples, st.sampled_from([(0.6, 0.1, 0.3), (0.2, 0.1, 0.7)]), st.integers(0, 9))
def test_groups_stay_whole_and_training_knows_every_label(
    drawn: list[tuple[int, int]], shares: tuple[float, ...], seed: int
) -> None:
    y, groups = (np.array(column) for column in zip(*drawn, strict=True))
    parts = split(y, groups, shares, seed)
    assert all(len(set(parts[groups == group])) == 1 for group in groups)
    assert set(y[parts == 0]) == set(y)
    assert split(y, groups, shares, seed).tolist() == parts.tolist()


def test_shares_hold_for_each_label() -> None:
    generator = np.random.default_rng(0)
    y = generator.choice(5, 2000, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    groups = np.arange(2000) // generator.integers(1, 4)
    parts = split(y, groups, (0.6, 0.1, 0.3), 1)
    for label in range(5):
        shares = [(parts[y == label] == part).mean() for part in range(3)]
        assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.02)


def test_another_seed_is_another_split() -> None:
    y, groups = np.arange(100) % 2, np.arange(100)
    assert split(y, groups, (0.5, 0.2, 0.3), 1).tolist() != split(y, groups, (0.5, 0.2, 0.3), 2).tolist()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(5, 90))
def test_a_draw_keeps_every_label_and_its_share(labels: list[int], limit: int) -> None:
    y = np.array(labels)
    used = draw(y, limit, 3)
    assert used.sum() == min(limit, len(y))
    assert set(y[used]) == set(y)
    for label in set(labels):
        share = (y == label).sum() * min(1, limit / len(y))
        assert abs((y[used] == label).sum() - share) <= len(set(labels))


def test_no_limit_draws_all() -> None:
    assert draw(np.array([0, 1, 1]), None, 0).all()
    assert NO_PAIRS.left.size == 0
