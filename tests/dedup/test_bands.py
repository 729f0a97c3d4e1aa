"""The choice of bands against theory, and against datasketch's areas."""

from __future__ import annotations

import pytest
from datasketch import lsh
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_config.selection import NearDuplicatesConfig
from tasks.dedup.bands import Bands, bands_of, choose, false_candidates


def test_recall_follows_the_s_curve():
    assert [round(Bands(14, 8).recall(j), 2) for j in (0.75, 0.80, 0.825, 0.85)] == [0.77, 0.92, 0.97, 0.99]
    assert round(Bands(20, 8).recall(0.80), 2) == 0.97
    curve = dict(Bands(14, 8).curve())
    assert (len(curve), curve[0], curve[0.8], curve[1]) == (41, 0, 0.9235, 1)


@pytest.mark.parametrize("shape", [Bands(14, 8), Bands(20, 8), Bands(1, 1)])
def test_false_candidates_are_the_area_that_datasketch_weighs(shape: Bands):
    area = lsh._false_positive_probability(0.8, shape.bands, shape.rows)
    assert false_candidates(shape, 0.8) == pytest.approx(area, rel=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.floats(0.1, 1), st.floats(0.5, 0.99))
def test_the_bands_chosen_reach_the_recall_with_the_fewest_false_candidates(permutations, threshold, recall):
    shapes = [Bands(b, r) for b in range(1, permutations + 1) for r in range(1, permutations // b + 1)]
    enough = [shape for shape in shapes if shape.recall(threshold) >= recall]
    chosen = choose(permutations, threshold, recall)
    if not enough:
        assert chosen == (permutations, 1)
        return
    assert chosen in enough
    least = min(false_candidates(shape, threshold) for shape in enough)
    assert false_candidates(chosen, threshold) == pytest.approx(least)


def test_auto_finds_97_percent_at_the_threshold_and_a_number_is_taken_at_its_word():
    shape = bands_of(NearDuplicatesConfig(bands="auto"), 160)
    assert (shape, round(shape.recall(0.8), 3)) == ((20, 8), 0.975)
    assert bands_of(NearDuplicatesConfig(bands="auto"), 112).recall(0.8) >= 0.97
    assert bands_of(NearDuplicatesConfig(), 112) == (14, 8)
