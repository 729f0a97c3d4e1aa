"""Which texts hang together: a chain of texts in which each shares a band of its signature with the next.

Not verified, and so wider than near-duplicates: what it puts together a split must not part (Lee et al. 2022,
arXiv:2107.06499, count what a model has seen of its validation set), and where it is wrong nothing is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.dedup.words import Hashes


def components(keys: Hashes) -> NDArray[np.int64]:
    """Of N texts with band keys (bands, N) the first text of each one's component. (N,)

    It takes some 60 bytes a text beside the keys: bands are joined to what hangs together one after another.
    """
    count = keys.shape[1]
    found: NDArray[np.int64] = np.arange(count)
    for own in keys:
        _, first, inverse = np.unique(own, return_index=True, return_inverse=True)
        first = first[inverse]
        linked = np.flatnonzero(found[first] != found)
        if len(linked):
            left, right = np.concatenate((linked, np.arange(count))), np.concatenate((first[linked], found))
            graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
            found = _first_of(connected_components(graph, directed=False)[1])
    return found


def _first_of(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """The first place of each one's label. (N,)"""
    first = np.full(labels.max() + 1, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    return np.asarray(first[labels], np.int64)
