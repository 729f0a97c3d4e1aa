"""Histograms of measures: every document in a bin, tails in the outer ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.distribution import BINS, distribution


def test_equal_widths():
    found = distribution(np.arange(0.0, 1001.0))  # 0.5 % is 5, 99.5 % is 995
    assert (found["edges"][0], found["edges"][-1], len(found["edges"])) == (5, 995, BINS + 1)
    assert found["edges"][1] == pytest.approx(5 + 990 / BINS)
    assert (found["counts"][0], sum(found["counts"])) == (47, 1001)  # 0 … 46: those below 5, too
    assert (found["lowest"], found["highest"], found["logarithmic"]) == (0, 1000, False)


def test_equal_ratios_where_few_are_very_large():
    found = distribution(np.array([1] * 90 + [10_000] * 10))
    assert found["logarithmic"]
    ratios = (np.array(found["edges"][1:]) + 1) / (np.array(found["edges"][:-1]) + 1)
    assert ratios == pytest.approx(np.full(BINS, (10_001 / 2) ** (1 / BINS)), rel=1e-4)
    assert (found["counts"][0], found["counts"][-1]) == (90, 10)


def test_one_value_and_none():
    assert distribution(np.full(7, 3))["counts"] == [7]
    assert distribution(np.zeros(0))["counts"] == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_no_document_is_lost(values: list[float]):
    assert sum(distribution(np.array(values))["counts"]) == len(values)
