"""MinHash signatures (Broder 1997) and the keys of their bands (Indyk & Motwani 1998).

Values equal those of `datasketch.MinHash` (scheme `affine32`, same seed) when its hash function gives the low 32 bits
of a shingle: h → a·fmix32(h) + b (mod 2³²) with odd a, a bijection. A minimum over all n-grams of a text is that over
the set of them, so that signing needs no sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.dedup import kernels
from tasks.dedup.words import Hashes, Offsets, Words

Signatures = NDArray[np.uint32]

_SLICE = 1 << 16  # signatures at a time


class SignatureFile:
    """Signatures (N, K) in an `.npy` file, mapped a slice at a time: what was read before does not stay in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shape: tuple[int, int] = np.load(path, mmap_mode="r").shape

    def __getitem__(self, rows: slice) -> Signatures:
        part: Signatures = np.load(self._path, mmap_mode="r")[rows]
        return part


def permutations(count: int, seed: int) -> tuple[Signatures, Signatures]:
    """Multipliers (odd) and increments of `count` permutations of the 32-bit numbers; (K,) each."""
    random = np.random.RandomState(seed)  # as datasketch draws them
    multipliers = random.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, random.randint(0, 1 << 32, count, dtype=np.uint32)


def sign(words: Words, size: int, count: int, seed: int) -> Signatures:
    """The signatures of the shingles (`size` words) of texts, (N, K). No text is without a shingle."""
    result = np.empty((len(words.offsets) - 1, count), np.uint32)
    kernels.sign(words.hashes, words.offsets, size, *permutations(count, seed), result)
    return result


def band_keys(signatures: Signatures, bands: int, rows: int) -> Hashes:
    """One 64-bit key per text and band, (N, bands), of the first `bands`·`rows` values of each signature.

    Two texts share a band iff their keys in it are equal, but for one pair in 2⁶⁴.
    """
    count, width = signatures.shape
    if bands * rows > width:
        raise ValueError(f"{bands} bands of {rows} rows: expected at most the {width} permutations.")
    keys = np.empty((count, bands), np.uint64)
    kernels.band_keys(signatures, rows, keys)
    return keys


def sliced_band_keys(
    signatures: Signatures | SignatureFile, texts: Offsets, bands: int, rows: int
) -> Iterator[tuple[slice, Hashes]]:
    """The `band_keys` of some of the texts (ascending numbers), slice by slice of them."""
    for start in range(0, signatures.shape[0], _SLICE):
        part = slice(*np.searchsorted(texts, (start, start + _SLICE)).tolist())
        if part.start < part.stop:
            yield part, band_keys(signatures[start : start + _SLICE][texts[part] - start], bands, rows)
