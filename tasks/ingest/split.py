"""Which labelled examples belong together, and which go where. Examples are numbered 0 … N − 1; labels 0 … C − 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.dedup.containment import Postings
from tasks.dedup.shingles import shingles

_SLICE = 1024  # texts compared with all others at a time


@dataclass(frozen=True)
class Pairs:
    """P pairs of near-duplicates, left < right."""

    left: np.ndarray
    """(P,)"""
    right: np.ndarray
    """(P,)"""
    jaccard: np.ndarray
    """(P,)"""


def near_duplicates(texts: Sequence[str], threshold: float) -> Pairs:
    """All pairs of texts whose sets of word 5-grams have an exact Jaccard of at least `threshold`.

    Time and memory grow with the pairs that share a 5-gram at all, which suits tens of thousands of texts.
    """
    sets = shingles(texts)
    sizes = np.diff(sets.offsets)
    postings = Postings.of(sets.values, np.repeat(np.arange(len(texts)), sizes))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(texts), _SLICE):
        offsets = sets.offsets[start : start + _SLICE + 1]
        left, right, common = postings.shared(sets.values[offsets[0] : offsets[-1]], offsets - offsets[0], len(texts))
        left = left + start
        left, right, common = (column[left < right] for column in (left, right, common))
        jaccard = common / (sizes[left] + sizes[right] - common)
        near = (jaccard >= threshold) & (sets.words[left] > 0)
        parts.append((left[near], right[near], jaccard[near]))
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    left, right, jaccard = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Pairs(left, right, jaccard)


def groups_of(count: int, pairs: Pairs, given: Sequence[str | None]) -> np.ndarray:
    """The group of each example (N,): connected components of near-duplicates and of equal given groups.

    Groups are numbered in the order of their first members.
    """
    first: dict[str, int] = {}
    linked = [(first.setdefault(name, index), index) for index, name in enumerate(given) if name is not None]
    left = np.concatenate([pairs.left, np.array([a for a, _ in linked], np.int64)])
    right = np.concatenate([pairs.right, np.array([b for _, b in linked], np.int64)])
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    components = connected_components(graph, directed=False)[1]
    _, first_member, inverse = np.unique(components, return_index=True, return_inverse=True)
    groups: np.ndarray = np.argsort(np.argsort(first_member))[inverse].astype(np.int64)
    return groups


def split(y: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Part examples by `shares` (S,): (N,) in 0 … S − 1, each group whole, each label as near to the shares as can be.

    Greedy: the largest group first (equal ones in an order drawn from `seed`), each to the part where it lessens most
    Σ_labels (share of the label there − share wanted)² / share wanted. Every label is kept in part 0 (training) by
    moving its smallest group there if need be. Cf. scikit-learn's StratifiedGroupKFold, which knows equal folds only.
    """
    classes = int(y.max(initial=-1)) + 1
    names, inverse = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), classes))  # (G, C)
    np.add.at(counts, (inverse, y), 1)
    wanted = np.asarray(shares)[:, None]  # (S, 1)
    totals = np.maximum(counts.sum(0), 1)  # (C,)
    drawn = np.random.default_rng(seed).permutation(len(names))
    held = np.zeros((len(shares), classes))  # (S, C)
    part = np.zeros(len(names), np.int64)
    for group in drawn[np.argsort(-counts[drawn].sum(1), kind="stable")]:
        # Rare labels weigh as much as frequent ones; the size of the parts follows from the labels.
        now, then = held / totals - wanted, (held + counts[group]) / totals - wanted
        part[group] = np.argmin(((then**2 - now**2) / wanted).sum(1))
        held[part[group]] += counts[group]
    for label in np.flatnonzero((held[0] == 0) & (counts.sum(0) > 0)):
        having = np.flatnonzero(counts[:, label])
        if not (part[having] == 0).any():
            part[having[np.argmin(counts[having].sum(1))]] = 0
    result: np.ndarray = part[inverse]
    return result


def draw(y: np.ndarray, limit: int | None, seed: int) -> np.ndarray:
    """Which examples to use (N,): at most `limit`, labels in proportion (largest remainders), one of each at least."""
    used = np.ones(len(y), bool)
    if limit is None or limit >= len(y):
        return used
    labels, counts = np.unique(y, return_counts=True)
    exact = counts * (limit / len(y))
    quota = np.maximum(1, np.floor(exact)).astype(np.int64)
    for place in np.argsort(-(exact - quota), kind="stable")[: max(0, limit - int(quota.sum()))]:
        quota[place] += 1
    while quota.sum() > max(limit, len(labels)):  # the one of a rare label is taken from a frequent one
        quota[np.argmax(np.where(quota > 1, quota - exact, -np.inf))] -= 1
    generator = np.random.default_rng(seed)
    used[:] = False
    for label, take in zip(labels, quota, strict=True):
        used[generator.permutation(np.flatnonzero(y == label))[:take]] = True
    return used
