"""Samples, folds, and which of two models may judge a text.

Nobody is scored by a model that saw him, nor one near to him. A sample of the distinct texts falls into near-duplicate
components (texts that share a band of their signatures, by any chain of such), each component whole into one of two
folds, and a model is trained on each. A text that shares a band with the sample of one fold is scored by the other
model; any other text by the one that its signature says. So texts that came later are cross-fitted too. A text that has
neighbours in both folds, which then are none of each other, is scored by the model with fewer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_config.measure import SignatureConfig
from tasks.dedup import kernels
from tasks.dedup.shingles import mix
from tasks.dedup.signatures import Signatures, band_keys, sign
from tasks.dedup.words import Hashes, hash_words

BAND = 8  # values of a signature: with 14 bands, texts of Jaccard 0.8 share one with probability 0.92
COLUMNS = ["source", "text_digest", "text"]
"""What a sample is drawn from."""


@dataclass(frozen=True)
class Seen:
    """What tells which of two models saw a text or one near to it."""

    keys: tuple[Hashes, Hashes]
    """Of each fold's sample the distinct keys of bands, ascending."""

    @staticmethod
    def of(keys: Hashes, fold: NDArray[np.int64]) -> Seen:
        """From keys (N, bands) and fold (N,) of the sample."""
        return Seen((_distinct(keys[fold == 0]), _distinct(keys[fold == 1])))

    def save(self, folder: Path, name: str) -> None:
        for fold, keys in enumerate(self.keys):
            np.save(folder / f"{name}-{fold}-bands.npy", keys)

    @staticmethod
    def load(folder: Path, name: str) -> Seen:
        """Map what `save` wrote into memory; processes share it."""
        paths = (folder / f"{name}-0-bands.npy", folder / f"{name}-1-bands.npy")
        return Seen((_mapped(paths[0]), _mapped(paths[1])))

    def scorer(self, signatures: Signatures) -> NDArray[np.int64]:
        """Which model, 0 or 1, scores each text, by its signature. (N,)"""
        keys = band_hashes(signatures)
        shared = np.zeros((2, len(keys)), np.int64)
        for fold, (known, starts) in enumerate(zip(self.keys, self._directories, strict=True)):
            kernels.count_known(keys, known, starts, shared[fold])
        free = (signatures[:, 0] & 1).astype(np.int64)
        return np.where(shared[0] == shared[1], free, (shared[0] > shared[1]).astype(np.int64))

    @cached_property
    def _directories(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Where keys with the same upper bits begin, for as many of these as leave about one key for each."""
        zero, one = (np.zeros((2 << len(keys).bit_length()) + 1, np.int32) for keys in self.keys)
        for keys, starts in zip(self.keys, (zero, one), strict=True):
            kernels.directory(keys, starts)
        return zero, one


class Sample:
    """The distinct texts of lowest digest, as long as they fit into `limit` bytes, of the documents that are added.

    Longer texts than that are no part of it. `sources` are those that it is drawn from, none = all; with `others` all
    but these. In which order documents are added, and to which of two samples that are joined, makes no difference.
    """

    def __init__(self, limit: int, sources: tuple[str, ...] = (), *, others: bool = False) -> None:
        self._limit, self._sources, self._others = limit, sources, others
        self._held: dict[bytes, tuple[int, str]] = {}
        self._size = 0
        self._bound: bytes | None = None  # the first digest whose text does not fit any more; it only falls

    def add(self, batch: pa.RecordBatch) -> None:
        """Documents, with the columns `COLUMNS`."""
        chosen = pc.less_equal(pc.binary_length(batch["text"]), self._limit)
        if self._bound is not None:
            digests = batch["text_digest"]
            chosen = pc.and_(chosen, pc.less(digests, pa.scalar(self._bound, digests.type)))
        if self._sources:
            named = pc.is_in(batch["source"], pa.array(self._sources, batch["source"].type))
            chosen = pc.and_(chosen, pc.invert(named) if self._others else named)
        rows = batch.filter(chosen)
        lengths = pc.binary_length(rows["text"]).to_pylist()
        for at, (digest, size) in enumerate(zip(rows["text_digest"].to_pylist(), lengths, strict=True)):
            if digest not in self._held:
                self._held[digest] = size, rows["text"][at].as_py()
                self._size += size
        if self._size > 1.25 * self._limit:  # not at every batch: to sort what is held costs more than the batch
            self._trim()

    def join(self, other: Sample) -> None:
        """Add what another sample of the same kind was drawn from."""
        bounds = [bound for bound in (self._bound, other._bound) if bound is not None]
        self._bound = min(bounds, default=None)
        both = self._held | other._held
        self._held = {digest: both[digest] for digest in both if self._bound is None or digest < self._bound}
        self._trim()

    def texts(self) -> list[str]:
        """In order of their digests."""
        self._trim()
        return [self._held[digest][1] for digest in sorted(self._held)]

    def _trim(self) -> None:
        fits: dict[bytes, tuple[int, str]] = {}
        self._size = 0
        for digest in sorted(self._held):
            if self._size + self._held[digest][0] > self._limit:
                self._bound = digest
                break
            fits[digest] = self._held[digest]
            self._size += fits[digest][0]
        self._held = fits


def band_hashes_of(config: SignatureConfig, texts: list[str]) -> Hashes:
    """`band_hashes` of texts."""
    return band_hashes(sign(hash_words(texts), config.shingle_size, config.permutations, config.seed))


def band_hashes(signatures: Signatures) -> Hashes:
    """A key for each text and band, (N, bands), which differs from those of other bands."""
    width = signatures.shape[1]
    rows = math.gcd(width, BAND)
    keys = band_keys(signatures, width // rows, rows)
    return mix(keys ^ np.arange(keys.shape[1], dtype=np.uint64))


def components(keys: Hashes) -> NDArray[np.int64]:
    """The near-duplicate component of each text (N,): linked are texts that share a key, of keys (N, bands)."""
    from scipy.sparse import coo_array  # a fifth of a second that workers, which only apply, need not spend
    from scipy.sparse.csgraph import connected_components

    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for column in keys.T:
        order = np.argsort(column)  # any order of equal ones links the same texts
        equal = column[order][1:] == column[order][:-1]
        left.append(order[:-1][equal])
        right.append(order[1:][equal])
    links = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(links[0]), np.int8), links), shape=(len(keys), len(keys)))
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def folds(component: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold, 0 or 1, of each text: the largest component first, each to the fold with fewer bytes so far. (N,)"""
    total = np.bincount(component, sizes)
    fold = np.zeros(len(total), np.int64)
    order = np.argsort(-total, kind="stable")
    chosen, filled = [], [0, 0]
    for size in total[order].astype(np.int64).tolist():
        chosen.append(int(filled[1] < filled[0]))
        filled[chosen[-1]] += size
    fold[order] = chosen
    return fold[component]


def _mapped(path: Path) -> Hashes:
    return np.asarray(np.load(path, mmap_mode="r"))


def _distinct(keys: Hashes) -> Hashes:
    """Ascending; `np.unique` builds a table of them first, which takes ten times as long."""
    ordered = np.sort(keys, axis=None)
    distinct: Hashes = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return distinct
