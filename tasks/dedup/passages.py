"""Passages that stand word for word in an earlier text, or earlier in the same one (Lee et al. 2022, arXiv 2107.06499).

A window of n units (`hash_units`: between white space, case and punctuation count) is *repeated* if the same units, in
the same sequence, begin in a text that comes before in the order, or at least n units before in the same text. What
repeated windows cover is cut, from the beginning of its first unit to that of the next one that stays. So the first
occurrence stays, no cut crosses the border of a text, and each cut is n units long at least, and as many bytes as are
asked for. (What stays of a window
that first occurs across two passages that both repeat others are its halves, where these occurred first.)

Lee et al. build a suffix array. Here windows are hashed (128 bits, rolling) and only those are sorted that share a slot
of a bit table with another, in ranges of hashes; the cover of equal windows is the same passage, whatever its length.
Time: three passes over the text. Memory: the table (a quarter of the budget), then 24 bytes for each window of one
range, and 16 for each repeated window. It is not incremental: a new text that is early in the order moves the cuts of
later ones.

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
from tasks.dedup.words import Offsets, hash_units

Read = Callable[[], Iterator[tuple[Offsets, pa.Array]]]
"""Yields the numbers, ascending, and the texts of the documents of the order, batch by batch."""

_WINDOW = 24  # bytes of two hashes and a place


@dataclass(frozen=True)
class Cut:
    """Bytes of a text that repeat an earlier passage."""

    start: int
    stop: int
    document: int
    """The number of the text where the first of the repeated windows occurs first."""


@dataclass(frozen=True)
class Repeats:
    """Repeated windows, by text and place."""

    size: int
    ranks: Offsets
    """(N,) the place of each text in the order, −1 for those outside."""
    order: Offsets
    places: NDArray[np.uint64]
    """(R,) rank of the text · 2³² + unit, ascending."""
    first: NDArray[np.uint64]
    """(R,) where the same window occurs first."""
    minimum: int = 0
    """Bytes of a cut, at least."""

    def touched(self, count: int) -> NDArray[np.bool_]:
        """(N,) which of `count` texts hold a repeated window."""
        result = np.zeros(count, bool)
        result[self.order[(self.places >> np.uint64(32)).astype(np.int64)]] = True
        return result

    def cuts(self, document: int, text: str) -> list[Cut]:
        """What is cut from a text, in the order of its bytes."""
        rank = np.uint64(self.ranks[document])
        bounds = np.array([rank << np.uint64(32), (rank + np.uint64(1)) << np.uint64(32)], np.uint64)
        begin, end = np.searchsorted(self.places, bounds)
        if begin == end:
            return []
        units = (self.places[begin:end] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        _, starts = hash_units([text])
        starts = np.append(starts, len(text.encode()))
        new = np.flatnonzero(np.append(True, units[1:] > units[:-1] + self.size))  # not touching the one before
        last = np.append(units[new[1:] - 1], units[-1]) + self.size
        source = self.order[(self.first[begin:end][new] >> np.uint64(32)).astype(np.int64)]
        return [
            Cut(int(starts[unit]), int(starts[stop]), int(origin))
            for unit, stop, origin in zip(units[new], last, source, strict=True)
            if starts[stop] - starts[unit] >= self.minimum
        ]


def find_repeats(
    read: Read, order: Offsets, count: int, size: int, folder: Path, memory: int, minimum: int = 0
) -> Repeats:
    """Repeated windows of `size` units in the texts `order` of `count`; at most about `memory` bytes beside the result.

    What they cover without a gap is cut if it has `minimum` bytes or more, up to the next unit that stays. Windows
    beyond that memory lie in files in `folder` meanwhile.
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
        found = [_repeated(np.fromfile(path, np.uint64).reshape(-1, 3), size) for path in sorted(Path(spill).iterdir())]
    places = np.concatenate([np.zeros(0, np.uint64), *(part[0] for part in found)])
    first = np.concatenate([np.zeros(0, np.uint64), *(part[1] for part in found)])
    by_place = np.argsort(places)
    return Repeats(size, ranks, order, places[by_place], first[by_place], minimum)


def _collect(read: Read, ranks: Offsets, size: int, again: NDArray[np.bool_], spill: Path, parts: int) -> None:
    """Write the windows whose slots were seen again into files by range of their first hash."""
    files = [(spill / f"{part:03d}").open("wb") for part in range(parts)]
    try:
        for rows, texts in read():
            words, _ = hash_units(texts)
            found = np.empty((int(np.maximum(words.counts - size + 1, 0).sum()), 3), np.uint64)
            taken = kernels.collect_windows(words.hashes, words.offsets, ranks[rows], size, again, found)
            found = found[:taken]
            part = (found[:, 0] >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)
            for number, file in enumerate(files):
                file.write(found[part == number].tobytes())
    finally:
        for file in files:
            file.close()


def _repeated(windows: NDArray[np.uint64], size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Of windows (W, 3) the places of those that repeat an earlier one, and the places of these."""
    windows = windows[np.lexsort(windows.T[::-1])]
    same = (windows[1:, :2] == windows[:-1, :2]).all(axis=1)
    head = np.flatnonzero(np.append(True, ~same)) if len(windows) else np.zeros(0, np.int64)
    first = np.repeat(windows[head, 2], np.diff(np.append(head, len(windows))))
    places = windows[:, 2]
    apart = (places >> np.uint64(32) != first >> np.uint64(32)) | (places - first >= np.uint64(size))
    return places[apart], first[apart]
