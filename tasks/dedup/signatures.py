"""MinHash signatures (Broder 1997) and the keys of their bands (Indyk & Motwani 1998).

Values equal those of `datasketch.MinHash` (scheme `affine32`, same seed) when its hash function gives the low 32 bits
of a shingle: h → a·fmix32(h) + b (mod 2³²) with odd a, a bijection. With b bands of r rows two texts of Jaccard J share
a band with probability 1 − (1 − J^r)^b.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.dedup.shingles import Hashes, Shingles, mix

Signatures = NDArray[np.uint32]

_BLOCK = 4096  # shingles at a time: 112 permutations of them stay within the processor's cache
_BAND_BASE = np.uint64(0xD1342543DE82EF95)


def permutations(count: int, seed: int) -> tuple[Signatures, Signatures]:
    """Multipliers (odd) and increments of `count` permutations of the 32-bit numbers; (K,) each."""
    random = np.random.RandomState(seed)  # as datasketch draws them
    multipliers = random.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, random.randint(0, 1 << 32, count, dtype=np.uint32)


def sign(sets: Shingles, count: int, seed: int) -> Signatures:
    """The signatures of texts, (N, K). No set is empty: a text has one shingle at least."""
    multipliers, increments = permutations(count, seed)
    hashes = _fmix32(sets.values.astype(np.uint32))
    result = np.empty((len(sets), count), np.uint32)
    offsets = sets.offsets

    def permute(block: Signatures) -> Signatures:
        return multipliers[:, None] * block[None, :] + increments[:, None]  # (K, shingles)

    text = 0
    while text < len(sets):
        stop = max(text + 1, int(np.searchsorted(offsets, offsets[text] + _BLOCK, "right")) - 1)
        block = hashes[offsets[text] : offsets[stop]]
        if stop == text + 1:  # perhaps a document larger than a block
            result[text] = np.min([permute(part).min(axis=1) for part in _parts(block)], axis=0)
        else:
            result[text:stop] = np.minimum.reduceat(permute(block), offsets[text:stop] - offsets[text], axis=1).T
        text = stop
    return result


def band_keys(signatures: Signatures, bands: int) -> Hashes:
    """One 64-bit key per text and band, (N, bands). Two texts share a band iff their keys in it are equal."""
    count, width = signatures.shape
    if width % bands:
        raise ValueError(f"bands={bands}: expected a divisor of the {width} permutations.")
    rows = signatures.reshape(count, bands, width // bands)
    keys = np.zeros((count, bands), np.uint64)
    for row in range(rows.shape[2]):
        keys = mix(keys * _BAND_BASE + rows[:, :, row])
    return keys


def recall(jaccard: float, bands: int, rows: int) -> float:
    """The probability that two texts of this Jaccard share a band."""
    return float(1 - (1 - jaccard**rows) ** bands)


def _parts(block: Signatures) -> list[Signatures]:
    return [block[start : start + _BLOCK] for start in range(0, len(block), _BLOCK)]


def _fmix32(values: Signatures) -> Signatures:
    """The finaliser of MurmurHash3."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
