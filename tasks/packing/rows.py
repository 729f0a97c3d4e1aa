"""Windows into rows: best fit, longest first. Deterministic, and within a few tokens of full rows on real text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cut_windows(offsets: NDArray[np.int64], documents: NDArray[np.int64], longest: int) -> NDArray[np.int64]:
    """Cut `documents` (indices) into windows of at most `longest` tokens, in order; (W, 2): start in ids, length."""
    lengths = np.diff(offsets)[documents]
    counts = -(-lengths // longest)  # an empty document has no window
    owner = np.repeat(np.arange(len(documents)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = number * longest
    return np.stack([offsets[documents[owner]] + begin, np.minimum(longest, lengths[owner] - begin)], axis=1)


def pack_rows(lengths: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """Give each length a row such that no row holds more than `capacity`; (W,) row numbers, from 0.

    Best-fit decreasing (Johnson 1974): longest first, each into the fullest row that has room. The rows with room are
    found through a bit set over free space, so that the cost is that of the sort.
    """
    rows = np.empty(len(lengths), dtype=np.int64)
    open_rows: list[list[int]] = [[] for _ in range(capacity + 1)]  # by free space
    free_spaces = 0  # bit s is set when a row with free space s is open
    count = 0
    for index in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[index])
        assert 0 < length <= capacity, f"a window of {length} tokens cannot lie in a row of {capacity}"
        fitting = free_spaces >> length
        if fitting:
            space = length + (fitting & -fitting).bit_length() - 1
            row = open_rows[space].pop()
            if not open_rows[space]:
                free_spaces ^= 1 << space
        else:
            space, row, count = capacity, count, count + 1
        rows[index] = row
        left = space - length
        if left:
            open_rows[left].append(row)
            free_spaces |= 1 << left
    return rows
