"""Near-duplicates by verified edges and greedy keep.

Documents are taken in a given order. One is dropped iff a document *kept* before it shares a band with it and their
exact Jaccard reaches the threshold; it names the kept one with the highest (the earlier one on a tie). So every dropped
document has a kept twin: closing over chains of duplicates, as clustering does, would drop documents that have none.
Wanted documents are kept whatever they repeat, and those behind them are compared with each of them.

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
from tasks.dedup.signatures import SignatureFile, Signatures, sliced_band_keys
from tasks.dedup.words import Hashes, Offsets

KEPT = -1

Read = Callable[[NDArray[np.bool_]], Iterator[tuple[Offsets, pa.Array]]]
"""Given which documents are wanted (N,), yields their numbers, ascending, and texts, batch by batch."""


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
    signatures: Signatures | SignatureFile,
    read: Read,
    scratch: Scratch,
    *,
    wanted: NDArray[np.bool_],
    shape: Bands,
    shingle_size: int,
    threshold: float,
    minimum_words: int,
    max_bucket: int,
    only_with_wanted: bool = False,
) -> Walked:
    """Walk over documents `order` (a permutation of a part of 0 … N − 1).

    `words` (N,) are counted as by `hash_words`; `signatures` are (N, K); `wanted` (N,) ones are kept. With
    `only_with_wanted` those come first in the order, and the others are compared with them alone.
    """
    long = words[order] >= minimum_words
    short = _of_equal_signatures(order[~long & (words[order] > 0)], signatures, scratch)
    order = order[long]
    buckets = fill_buckets(keys_of(signatures, order, shape, scratch), scratch)
    shared = np.flatnonzero((buckets.slots >= 0).any(axis=1))
    order = order[shared]
    slots = np.take(buckets.slots, shared, axis=0, out=scratch.array((len(shared), shape.bands), np.int32))
    rows = np.sort(np.concatenate((short, order)))
    sets = _shingle(rows, words, read, shingle_size, scratch)

    walked = Walked(np.full(len(words), KEPT, np.int64), np.zeros(len(words)), candidates=len(rows))
    _, first, inverse = np.unique(sets.whole[np.searchsorted(rows, short)], return_index=True, return_inverse=True)
    again = (short[first[inverse]] != short) & ~wanted[short]
    if only_with_wanted:
        again &= wanted[short[first[inverse]]]
    walked.matched[short[again]], walked.jaccard[short[again]] = short[first[inverse]][again], 1.0

    starts = np.concatenate(([0], np.cumsum(buckets.counts)))
    matched, held = np.full(len(order), KEPT, np.int64), np.zeros(len(buckets.counts), np.int64)
    members = scratch.array(int(starts[-1]), np.int32)
    similarity, place = np.zeros(len(order)), np.searchsorted(rows, order)
    walked.verified = kernels.walk(
        slots,
        starts,
        sets.values,
        sets.offsets,
        place,
        wanted[order],
        only_with_wanted,
        threshold,
        members,
        held,
        matched,
        similarity,
    )
    dropped = matched != KEPT
    walked.matched[order[dropped]] = order[matched[dropped]]
    walked.jaccard[order] = similarity
    for bucket in sorted(np.flatnonzero(buckets.counts > max_bucket), key=lambda b: (-buckets.counts[b], b)):
        band = int(buckets.bands[bucket])
        first_of_it = order[np.argmax(slots[:, band] == bucket)]
        walked.large.append(Bucket(band, int(buckets.counts[bucket]), int(first_of_it)))
    return walked


def fill_buckets(keys: Hashes, scratch: Scratch) -> Buckets:
    """Number the keys that occur more than once in their band; `keys` (bands, M) are in the order of the walk."""
    slots = scratch.array((keys.shape[1], len(keys)), np.int32)
    slots[:] = -1
    counts, bands, filled = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for band, own in enumerate(keys):
        by_key = np.argsort(own)
        ordered = own[by_key]
        same = ordered[1:] == ordered[:-1]
        behind, before = np.append(False, same), np.append(same, False)[: len(own)]
        behind = behind[: len(own)]
        shared = before | behind
        number = np.cumsum(before & ~behind)[shared] - 1
        slots[by_key[shared], band] = filled + number
        counts.append(np.bincount(number))
        bands.append(np.full(len(counts[-1]), band))
        filled += len(counts[-1])
        assert filled < 1 << 31, "more buckets than their numbers can tell apart"
    return Buckets(slots, np.concatenate(counts), np.concatenate(bands))


def keys_of(signatures: Signatures | SignatureFile, order: Offsets, shape: Bands, scratch: Scratch) -> Hashes:
    """Band keys of documents in their order, (bands, M)."""
    keys = scratch.array((shape.bands, len(order)), np.uint64)
    by_row = np.argsort(order)
    for part, found in sliced_band_keys(signatures, order[by_row], *shape):
        keys[:, by_row[part]] = found.T
    return keys


def _of_equal_signatures(order: Offsets, signatures: Signatures | SignatureFile, scratch: Scratch) -> Offsets:
    """Those of short texts that may have the words of another: the same words have the same signature."""
    keys = keys_of(signatures, order, Bands(1, signatures.shape[1]), scratch)[0]
    _, same, counts = np.unique(keys, return_inverse=True, return_counts=True)
    found: Offsets = order[counts[same] > 1]
    return found


def _shingle(rows: Offsets, words: Offsets, read: Read, size: int, scratch: Scratch) -> Shingles:
    """The shingle sets of documents `rows`, ascending."""
    values = scratch.array(int(np.maximum(words[rows] - size + 1, 1).sum()), np.uint64)
    offsets, whole = np.zeros(len(rows) + 1, np.int64), np.zeros(len(rows), np.uint64)
    wanted = np.zeros(len(words), bool)
    wanted[rows] = True
    done = 0
    for _, texts in read(wanted) if len(rows) else ():
        part, start = shingles(texts, size), offsets[done]
        values[start : start + len(part.values)] = part.values
        offsets[done + 1 : done + len(part) + 1] = start + part.offsets[1:]
        whole[done : done + len(part)] = part.whole
        done += len(part)
    return Shingles(values[: offsets[-1]], offsets, words[rows], whole)
