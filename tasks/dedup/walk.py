"""Near-duplicates by verified edges and greedy keep.

Documents are taken in a given order. One is dropped iff a document *kept* before it shares a band with it and their
exact Jaccard reaches the threshold; it names the kept one with the highest (the earlier one on a tie). So every dropped
document has a kept twin: closing over chains of duplicates, as clustering does, would drop documents that have none.

Texts under `minimum_words` have a rule of their own, since one changed word already makes such texts different: they
are duplicates only of texts with the same words in the same order; texts without a word are never duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.dedup.shingles import Hashes, Offsets, Shingles, jaccard

KEPT = -1


@dataclass(frozen=True)
class Walked:
    matched: Offsets
    """(N,) the kept document that a dropped one repeats, or `KEPT`."""
    jaccard: NDArray[np.float64]
    """(N,) Jaccard with that document; 0 for kept ones."""


def walk(order: Offsets, sets: Shingles, keys: Hashes, *, threshold: float, minimum_words: int) -> Walked:
    """Walk over documents `order` (a permutation of a part of 0 … N − 1) with band keys (N, bands)."""
    matched = np.full(len(sets), KEPT, np.int64)
    similarity = np.zeros(len(sets))
    sizes = np.diff(sets.offsets)
    shared = shared_keys(keys, order)
    index: list[dict[int, list[int]]] = [{} for _ in range(keys.shape[1])]
    wholes: dict[int, int] = {}
    rank = np.zeros(len(sets), np.int64)
    rank[order] = np.arange(len(order))
    for document in order.tolist():
        if sets.words[document] < minimum_words:
            if sets.words[document] and (twin := wholes.setdefault(int(sets.whole[document]), document)) != document:
                matched[document], similarity[document] = twin, 1.0
            continue
        slots = [(index[band], int(keys[document, band])) for band in np.flatnonzero(shared[document]).tolist()]
        candidates = {twin for held, key in slots for twin in held.get(key, ())}
        best = (threshold, -len(order))  # Jaccard, minus rank
        for twin in candidates:
            small, large = sorted((sizes[document], sizes[twin]))
            if small / large < best[0]:
                continue
            score = jaccard(sets.of(document), sets.of(twin))
            if (score, -rank[twin]) > best:
                matched[document], similarity[document] = twin, score
                best = (score, -int(rank[twin]))
        if matched[document] == KEPT:
            for held, key in slots:
                held.setdefault(key, []).append(document)
    return Walked(matched, similarity)


def shared_keys(keys: Hashes, order: Offsets) -> NDArray[np.bool_]:
    """Which keys occur more than once in their band among the documents of `order`; the others need no index."""
    shared = np.zeros(keys.shape, bool)
    for band in range(keys.shape[1]):
        _, inverse, counts = np.unique(keys[order, band], return_inverse=True, return_counts=True)
        shared[order, band] = counts[inverse] > 1
    return shared
