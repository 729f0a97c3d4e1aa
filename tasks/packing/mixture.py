"""How often each document is read in an epoch, so that groups of them have the wanted shares of the bytes.

Shares are p ∝ w · n^(1/T) of a group of n bytes and weight w (temperature sampling: Devlin et al. 2019 for languages,
with 1/T = 0.7; Conneau et al. 2020, arXiv:1911.02116, with 0.3). T = 1 leaves the shares as they are, a high T makes
them equal. The epoch has the bytes that all documents of a weight above 0 have together: what is rarer than wanted is
read several times, of what is more frequent a part.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def shares(sizes: NDArray[np.int64], weights: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """p ∝ w · n^(1/T) of G groups with `sizes` (G,) in bytes; all 0 where nothing has a weight."""
    log = np.where((weights > 0) & (sizes > 0), np.log(np.maximum(weights, 1e-300)), -np.inf)
    log = log + np.log(np.maximum(sizes, 1)) / temperature
    if not np.isfinite(log).any():
        return np.zeros(len(sizes))
    parts = np.exp(log - log.max())
    return np.asarray(parts / parts.sum())


def copies(
    sizes: NDArray[np.int64],
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    temperature: float,
    keys: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """How often each of N documents is read, (N,).

    A group is read whole as often as that fits its bytes; of the rest those documents are read once more that come
    first by their key, up to half a document from the bytes that are left.

    Args:
        sizes: (N,) bytes.
        groups: (N,) index into `weights`.
        keys: (N,) hashes that say which documents of a group come first.
    """
    whole = np.bincount(groups, weights=sizes, minlength=len(weights)).astype(np.int64)
    wanted = shares(whole, weights, temperature) * whole[weights > 0].sum()
    result = np.zeros(len(sizes), np.int64)
    for group in np.flatnonzero(whole).tolist():
        members = np.flatnonzero(groups == group)
        times, rest = divmod(float(wanted[group]), float(whole[group]))
        result[members] = int(times)
        order = members[np.lexsort((members, keys[members]))]
        reached = np.cumsum(sizes[order])
        more = int(np.searchsorted(reached, rest, "right"))
        if more < len(order):
            before = reached[more - 1] if more else 0
            more += int(rest - before > sizes[order[more]] / 2)
        result[order[:more]] += 1
    return result


def hashed(ids: NDArray[np.uint8], purpose: str) -> NDArray[np.uint64]:
    """A hash of each id (N, 16), another for each purpose. (N,)"""
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8, key=purpose.encode()).digest() for row in ids)
    return np.frombuffer(digests, dtype="<u8")
