"""Rows: every window once, none over capacity, few rows."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.packing.rows import cut_windows, pack_rows


def test_longest_first_into_the_fullest_row_that_has_room() -> None:
    # 7 opens row 0 (3 left), 5 opens row 1 (5 left), 3 fills row 0 although row 1 has more room, 2 goes to row 1
    assert pack_rows(np.array([2, 3, 5, 7]), 10).tolist() == [1, 0, 1, 0]


@given(st.lists(st.integers(1, 32), max_size=80), st.integers(32, 40))
def test_no_row_is_over_capacity_and_no_two_rows_could_be_one(lengths: list[int], capacity: int) -> None:
    rows = pack_rows(np.array(lengths, dtype=np.int64), capacity)
    filled = np.bincount(rows, weights=lengths) if lengths else np.zeros(0)
    assert len(rows) == len(lengths)
    assert (filled <= capacity).all()
    assert (filled > 0).all(), "row numbers have no gaps"
    assert sum(sorted(filled)[:2]) > capacity or len(filled) < 2


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(1, 9), st.randoms())
def test_windows_hold_every_token_once_in_order(lengths: list[int], longest: int, random: Random) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    documents = np.array([i for i in range(len(lengths)) if random.random() < 0.7], dtype=np.int64)
    windows = cut_windows(offsets, documents, longest)
    tokens = [token for start, length in windows.tolist() for token in range(start, start + length)]
    assert tokens == [token for i in documents for token in range(offsets[i], offsets[i + 1])]
    assert all(1 <= length <= longest for length in windows[:, 1].tolist())
    borders = set(offsets.tolist())
    assert all(not (set(range(start + 1, start + length)) & borders) for start, length in windows.tolist())
