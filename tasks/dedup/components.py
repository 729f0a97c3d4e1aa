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
    """Of N texts with band keys (N, bands) the first text of each one's component. (N,)"""
    count, bands = keys.shape
    edges = []
    for band in range(bands):
        _, first, inverse = np.unique(keys[:, band], return_index=True, return_inverse=True)
        linked = first[inverse] != np.arange(count)
        edges.append(np.column_stack([np.flatnonzero(linked), first[inverse][linked]]))
    left, right = np.concatenate([np.zeros((0, 2), np.int64), *edges]).T
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)
