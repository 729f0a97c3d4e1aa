"""Near-duplicates by verified edges and greedy keep.

Documents are taken in a given order. One is dropped iff a document *kept* before it shares a band with it and their
exact Jaccard reaches the threshold; it names the kept one with the highest (the earlier one on a tie). So every dropped
document has a kept twin: closing over chains of duplicates, as clustering does, would drop documents that have none.

Texts under `minimum_words` have a rule of their own, since one changed word already makes such texts different: they
are duplicates only of texts with the same words in the same order; texts without a word are never duplicates.

Memory, in bytes: 12 a band for each document while keys become buckets (168 at 14 bands), then 4 a band and at most 4
a band more for each document that shares a key, and 8 for each of its shingles; 40 a document beside them. `Scratch`
puts what is beyond its budget into files. Only documents that share a key are read again and shingled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.dedup import kernels
from tasks.dedup.bands import Bands
from tasks.dedup.scratch import Scratch
from tasks.dedup.shingles import Shingles, shingles
from tasks.dedup.signatures import Signatures, band_keys
from tasks.dedup.words import Hashes, Offsets

KEPT = -1

Read = Callable[[NDArray[np.bool_]], Iterator[tuple[Offsets, pa.Array]]]
"""Given which documents are wanted (N,), yields their numbers, ascending, and texts, batch by batch."""

_KEYS = 1 << 16  # documents at a time


@dataclass(frozen=True)
class Bucket:
    """Documents that share the key of one band."""

    band: int
    documents: int
    first: int
    """The first of them in the order."""


@dataclass
class Walked:
    matched: Offsets
    """(N,) the kept document that a dropped one repeats, or `KEPT`."""
    jaccard: NDArray[np.float64]
    """(N,) Jaccard with that document; 0 for kept ones."""
    candidates: int = 0
    """Documents that share a key with another, and were shingled."""
    verified: int = 0
    """Pairs whose Jaccard was computed."""
    large: list[Bucket] = field(default_factory=list)
    """Buckets of more than `max_bucket` documents, the largest first. Nothing is left out of them."""


@dataclass(frozen=True)
class Buckets:
    slots: NDArray[np.int32]
    """(M, bands) the bucket of each document in each band, or −1 where no other has its key."""
    counts: Offsets
    """(B,) documents of each bucket, 2 at least."""
    bands: Offsets
    """(B,) the band that each bucket belongs to."""


def find_near_duplicates(
    order: Offsets,
    words: Offsets,
    signatures: Signatures,
    read: Read,
    scratch: Scratch,
    *,
    shape: Bands,
    shingle_size: int,
    threshold: float,
    minimum_words: int,
    max_bucket: int,
) -> Walked:
    """Walk over documents `order` (a permutation of a part of 0 … N − 1).

    `words` (N,) are counted as by `hash_words`; `signatures` (N, K) may be a memory-mapped file.
    """
    walked = Walked(np.full(len(words), KEPT, np.int64), np.zeros(len(words)))
    long = words[order] >= minimum_words
    _walk_short(order[~long & (words[order] > 0)], signatures, read, walked, scratch)
    order = order[long]
    buckets = fill_buckets(_keys(signatures, order, shape, scratch), scratch)
    shared = np.flatnonzero((buckets.slots >= 0).any(axis=1))
    order = order[shared]
    slots = np.take(buckets.slots, shared, axis=0, out=scratch.array((len(shared), shape.bands), np.int32))
    walked.candidates += len(order)
    starts = np.concatenate(([0], np.cumsum(buckets.counts)))
    sets, place = _shingle(order, words, read, shingle_size, scratch)
    matched, held = np.full(len(order), KEPT, np.int64), np.zeros(len(buckets.counts), np.int64)
    members = scratch.array(int(starts[-1]), np.int32)
    similarity = np.zeros(len(order))
    walked.verified = kernels.walk(
        slots, starts, sets.values, sets.offsets, place, threshold, members, held, matched, similarity
    )
    dropped = matched != KEPT
    walked.matched[order[dropped]] = order[matched[dropped]]
    walked.jaccard[order] = similarity
    for bucket in sorted(np.flatnonzero(buckets.counts > max_bucket), key=lambda b: (-buckets.counts[b], b)):
        band = int(buckets.bands[bucket])
        first = order[np.argmax(slots[:, band] == bucket)]
        walked.large.append(Bucket(band, int(buckets.counts[bucket]), int(first)))
    return walked


def fill_buckets(keys: Hashes, scratch: Scratch) -> Buckets:
    """Number the keys that occur more than once in their band; `keys` (bands, M) are in the order of the walk."""
    slots = scratch.array((keys.shape[1], len(keys)), np.int32)
    slots[:] = -1
    counts, bands, filled = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for band, own in enumerate(keys):
        ordered = np.sort(own)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        repeated = again[np.append(True, again[1:] != again[:-1])[: len(again)]]
        if not len(repeated):
            continue
        place = np.minimum(np.searchsorted(repeated, own), len(repeated) - 1)
        found = np.flatnonzero(repeated[place] == own)
        slots[found, band] = filled + place[found]
        counts.append(np.bincount(place[found], minlength=len(repeated)))
        bands.append(np.full(len(repeated), band))
        filled += len(repeated)
        assert filled < 1 << 31, "more buckets than their numbers can tell apart"
    return Buckets(slots, np.concatenate(counts), np.concatenate(bands))


def _keys(signatures: Signatures, order: Offsets, shape: Bands, scratch: Scratch) -> Hashes:
    """Band keys of documents in their order, (bands, M)."""
    keys = scratch.array((shape.bands, len(order)), np.uint64)
    by_row = np.argsort(order)  # a file is read from front to back
    for start in range(0, len(order), _KEYS):
        places = by_row[start : start + _KEYS]
        keys[:, places] = band_keys(signatures[order[places]], *shape).T
    return keys


def _walk_short(order: Offsets, signatures: Signatures, read: Read, walked: Walked, scratch: Scratch) -> None:
    """Match each short text with the first of the same words; only texts of equal signatures are read."""
    keys = _keys(signatures, order, Bands(1, signatures.shape[1]), scratch)[0]
    _, same, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = order[counts[same] > 1]
    wanted = np.zeros(len(walked.matched), bool)
    wanted[order] = True
    whole = np.zeros(len(walked.matched), np.uint64)
    for rows, texts in read(wanted) if len(order) else ():
        whole[rows] = shingles(texts).whole
    _, first, inverse = np.unique(whole[order], return_index=True, return_inverse=True)
    twin = order[first[inverse]]
    repeated = twin != order
    walked.candidates += len(order)
    walked.matched[order[repeated]], walked.jaccard[order[repeated]] = twin[repeated], 1.0


def _shingle(order: Offsets, words: Offsets, read: Read, size: int, scratch: Scratch) -> tuple[Shingles, Offsets]:
    """The shingle sets of documents, and for each in the order of the walk which of them is its."""
    rows = np.sort(order)
    values = scratch.array(int(np.maximum(words[rows] - size + 1, 1).sum()), np.uint64)
    offsets = np.zeros(len(rows) + 1, np.int64)
    wanted = np.zeros(len(words), bool)
    wanted[rows] = True
    done = 0
    for _, texts in read(wanted) if len(rows) else ():
        part = shingles(texts, size)
        start = offsets[done]
        values[start : start + len(part.values)] = part.values
        offsets[done + 1 : done + len(part) + 1] = start + part.offsets[1:]
        done += len(part)
    empty = np.zeros(0, np.int64)
    return Shingles(values[: offsets[-1]], offsets, empty, empty.astype(np.uint64)), np.searchsorted(rows, order)
