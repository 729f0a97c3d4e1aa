"""Passages that stand word for word in what stays of an earlier text, or earlier in the same one.

After Lee et al. 2022 (arXiv 2107.06499), but one text after the other. A window of n units (`hash_units`: between white
space, case and punctuation count) is *repeated* if the same units, in the same sequence, stand in what is left of a
text that comes before in the order, or before it, and apart, in the same text where nothing is cut. What repeated
windows cover without a gap is cut if it has the bytes that are asked for, from the beginning of its first unit to that
of the next one that stays. So

- what is cut stands whole in a text that is kept: a `Cut` is a stretch that stands in one of them, which it names (a
  passage that lies across the passages of two texts is two cuts, one behind the other);
- of what is left of all texts no n units in sequence stand in two of them, nor twice and apart in one, unless fewer
  bytes than asked for. Units on both sides of a cut are no sequence: what now adjoins stood nowhere before.

Lee et al. build a suffix array. Here windows are hashed (128 bits, rolling) and only those are sorted that share a slot
of a bit table with another, in ranges of hashes; then one walk over those that occur twice decides (`greedy_cuts`).
Time: two passes over the text. Memory: the table (a quarter of the budget), then 32 bytes for each window of one range,
and about 40 for each window that occurs more than once. It is not incremental: a new text that is early in the order
moves the cuts of later ones.

In law, licensing and standards a repeated passage *is* content: a licence that stands in a thousand documents would be
left in one of them. Look at the cost and the samples before cutting.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.dedup import kernels
from tasks.dedup.greedy_cuts import greedy_cuts
from tasks.dedup.words import Offsets, arrow, buffers, hash_units

Read = Callable[[], Iterator[tuple[Offsets, pa.Array]]]
"""Yields the numbers, ascending, and the texts of the documents of the order, batch by batch."""

_WINDOW = 32  # bytes of two hashes, a place, and where it lies in its text


@dataclass(frozen=True)
class Cut:
    """Bytes of a text that stand elsewhere."""

    start: int
    stop: int
    document: int
    """The number of the text in which they stay, as they are."""


def find_cuts(
    read: Read, order: Offsets, count: int, size: int, folder: Path, memory: int, minimum: int = 0
) -> dict[int, list[Cut]]:
    """What is cut from the texts `order` of `count`, by number of a text, in the order of its bytes.

    Windows have `size` units; at most about `memory` bytes are held beside the result and the windows that occur more
    than once; windows beyond that lie in files in `folder` meanwhile. What is covered without a gap is cut if it has
    `minimum` bytes or more, up to the next unit that stays.
    """
    ranks = np.full(count, -1, np.int64)
    ranks[order] = np.arange(len(order))
    slots = 1 << max(10, min(33, (memory // 8).bit_length() - 1))
    once, again = np.zeros(slots, bool), np.zeros(slots, bool)
    windows = 0
    for _, texts in read():
        words, _ = hash_units(texts)
        windows += int(np.maximum(words.counts - size + 1, 0).sum())
        kernels.count_windows(words.hashes, words.offsets, size, once, again)
    del once
    parts = max(1, -(-windows * _WINDOW * 2 // max(memory, 1)))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".windows-") as spill:
        _collect(read, ranks, size, again, Path(spill), min(parts, 256))
        places, same, spans, numbers = _repeated(sorted(Path(spill).iterdir()))
    found: dict[int, list[Cut]] = {}
    for rank, start, stop, origin in greedy_cuts(places, same, spans, numbers, size, minimum).tolist():
        found.setdefault(int(order[rank]), []).append(Cut(start, stop, int(order[origin])))
    return found


def _collect(read: Read, ranks: Offsets, size: int, again: NDArray[np.bool_], spill: Path, parts: int) -> None:
    """Write the windows whose slots were seen again into files by range of their first hash."""
    files = [(spill / f"{part:03d}").open("wb") for part in range(parts)]
    try:
        for rows, texts in read():
            words, starts = hash_units(texts)
            _, borders = buffers(arrow(texts))
            found = np.empty((int(np.maximum(words.counts - size + 1, 0).sum()), 4), np.uint64)
            taken = kernels.collect_windows(
                words.hashes, words.offsets, starts, np.diff(borders), ranks[rows], size, again, found
            )
            found = found[:taken]
            part = (found[:, 0] >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)
            for number, file in enumerate(files):
                file.write(found[part == number].tobytes())
    finally:
        for file in files:
            file.close()


def _repeated(files: list[Path]) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64], int]:
    """Of the windows that occur more than once, by place: places, numbers of equal ones, bytes; how many numbers."""
    found = [(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint64))]
    numbers = 0
    for file in files:
        windows = np.fromfile(file, np.uint64).reshape(-1, 4)
        windows = windows[np.lexsort(windows.T[2::-1])]
        equal = (windows[1:, :2] == windows[:-1, :2]).all(axis=1)
        begins = np.append(True, ~equal)[: len(windows)]
        shared = ~begins | np.append(equal, False)[: len(windows)]
        number = numbers + np.cumsum(begins[shared]) - 1
        found.append((windows[shared, 2], number, windows[shared, 3]))
        numbers += int(begins[shared].sum())
    places, same, spans = (np.concatenate(column) for column in zip(*found, strict=True))
    by_place = np.argsort(places)
    return places[by_place], same[by_place], spans[by_place], numbers
