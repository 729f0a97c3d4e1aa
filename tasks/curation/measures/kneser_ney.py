"""Interpolated modified Kneser–Ney smoothing of byte n-grams (Chen & Goodman 1998, TR-10-98, section 3 and appendix).

p(w | h) = (a(hw) − D(a(hw))) / a(h·) + γ(h)·p(w | h′), where h′ is h without its first byte. a counts occurrences in
the highest order, and the distinct bytes before an n-gram in lower ones; D is one of three discounts D₁, D₂, D₃₊ for
counts 1, 2 and more; below the unigrams lies 1/243, each byte that UTF-8 has. N-grams at the beginning of a text begin
with the byte 255, which UTF-8 has not, and keep their occurrences. Its end is not predicted.

Why this one. Bytes: no unknown term, and no tokenising, which would cost more than all else here (WordPiece runs at a
few MB a second). Kneser–Ney rather than Stupid Backoff (Brants et al. 2007): bits per byte need probabilities that add
up to one, which the latter's scores do not; what it saves are statistics that cost nothing for a sample of some MB.
Measured on 3 MB of technical text in 15 languages with 4 MB of it to train on: 2.04 bits a byte at order 6, where a
hierarchical Dirichlet model (MacKay & Peto 1995) needs 2.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.curation.measures.text_pass import compiled

BEGIN = 255
VOCABULARY = 243
"""Bytes that occur in UTF-8: all but C0, C1 and F5 … FF (RFC 3629)."""
UNIT = 1 << 16
"""Costs are whole numbers of 1/65 536 bit, so that sums do not depend on their order."""
LANES = 16
"""Texts that are scored side by side."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts of an order whose counts of counts give none, as in KenLM (Heafield et al. 2013, `--discount_fallback`)."""


@dataclass(frozen=True)
class Grams:
    """The G n-grams of one order that were seen, ascending."""

    keys: NDArray[np.uint64]
    """(G,): the bytes of an n-gram as one number, the last one lowest."""
    counts: NDArray[np.int64]
    """(G,): adjusted counts a."""
    probabilities: NDArray[np.float64]
    """(G,): p of its last byte behind the others; 0 for the one of `BEGIN` alone."""
    backoffs: NDArray[np.float64]
    """(G,): γ of it as a context; 1 where nothing follows it."""


def estimate(texts: Sequence[bytes], order: int) -> list[Grams]:
    """The n-grams of n = 1 … order (at most 8); needs about 40 bytes of memory for a byte of text."""
    grams: list[Grams] = []
    counted = count(texts, order)
    shorter = np.full(256, 1 / VOCABULARY)
    for n, (keys, counts) in enumerate(counted):
        contexts, context = _contexts(keys)
        cut = np.array((0.0, *discounts(counts)))[np.minimum(counts, 3)]
        total = np.bincount(context, counts, len(contexts))
        weight = np.where(total > 0, np.bincount(context, cut, len(contexts)) / np.maximum(total, 1), 1.0)
        if n:
            grams[-1].backoffs[np.searchsorted(grams[-1].keys, contexts)] = weight
            suffix = np.searchsorted(counted[n - 1][0], _suffix(keys, n))
            below = shorter[suffix]
        else:
            below = np.where(keys == BEGIN, 0.0, shorter[keys])
        shorter = (counts - cut) / np.maximum(total, 1)[context] + weight[context] * below
        grams.append(Grams(keys, counts, shorter, np.ones(len(keys))))
    return grams


def count(texts: Sequence[bytes], order: int) -> list[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Distinct n-grams of n = 1 … order and their adjusted counts; of order 1 all bytes of UTF-8 and `BEGIN`.

    An n-gram below the highest order counts once for each distinct byte before it, `BEGIN` among them.
    """
    data = np.frombuffer(b"".join(b"\xff" + text for text in texts), np.uint8)
    begins = np.flatnonzero(data == BEGIN)
    place = np.arange(len(data)) - np.repeat(begins, np.diff(np.append(begins, len(data))))  # 0 = BEGIN
    window = np.zeros(len(data), np.uint64)
    first: list[NDArray[np.uint64]] = []  # n-grams that begin a text
    for n in range(order):
        window[n:] |= data[: len(data) - n].astype(np.uint64) << np.uint64(8 * n)
        first.append(window[place == n] & np.uint64((1 << 8 * (n + 1)) - 1))
    found = [np.unique(window[place >= order - 1] & np.uint64((1 << 8 * order) - 1), return_counts=True)]
    for n in range(order - 1, 0, -1):
        longer = found[0][0]
        keys, counts = np.unique(longer & np.uint64((1 << 8 * n) - 1), return_counts=True)
        began, often = np.unique(first[n - 1], return_counts=True)
        keys, counts = np.concatenate((keys, began)), np.concatenate((counts, often))
        ascending = np.argsort(keys)
        found.insert(0, (keys[ascending], counts[ascending]))
    keys, counts = found[0]
    known = np.array([*range(0xC0), *range(0xC2, 0xF5), BEGIN], np.uint64)
    every = np.zeros(len(known), np.int64)
    every[np.searchsorted(known, keys)] = counts
    every[-1] = 0  # never predicted
    return [(known, every), *found[1:]]


def discounts(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """D₁, D₂ and D₃₊ from how many n-grams have count 1, 2, 3 and 4 (Chen & Goodman 1998, equation 26)."""
    n1, n2, n3, n4 = (int((counts == times).sum()) for times in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return found if all(0 < d <= times for times, d in enumerate(found, 1)) else FALLBACK


@dataclass(frozen=True)
class Model:
    """An automaton: a state for each context that something follows, an edge for each n-gram.

    A state lies in one piece, its most probable bytes first, so that a step seldom needs more than one line of memory.
    """

    states: NDArray[np.uint32]
    """State after state, the empty context first: (number of edges, cost of a backoff), the state without its first
    byte, and for each edge (byte, cost), the next state. In pairs the first has the upper 8 bits; states are named by
    their places; costs are in `UNIT`."""
    begin: int
    """The state in which a text begins."""

    @staticmethod
    def fit(texts: Sequence[bytes], order: int) -> Model:
        """A model of n-grams of up to `order` bytes."""
        return automaton(estimate(texts, order))

    def save(self, path: Path) -> None:
        """As one `.npy`: `begin`, then the states."""
        np.save(path, np.append(np.uint32(self.begin), self.states))

    @staticmethod
    def load(path: Path) -> Model:
        """Map what `save` wrote into memory; processes share it."""
        held = np.load(path, mmap_mode="r")
        return Model(held[1:], int(held[0]))

    def bits(self, data: NDArray[np.uint8], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bits that the model needs for each text `data[starts[i]:stops[i]]`. (N,)"""
        costs: NDArray[np.int64] = _costs(data, starts, stops, np.asarray(self.states), self.begin)
        return costs / UNIT


def automaton(grams: Sequence[Grams]) -> Model:
    """The automaton of n-grams of ascending order."""
    base = 1  # the first state of the contexts of one order
    source: list[NDArray[np.int64]] = [np.zeros(len(grams[0].keys), np.int64)]  # the state that each edge leaves
    target: list[NDArray[np.int64]] = []  # and the one it leads to
    states = [np.zeros((1, 2), np.int64)]
    begin = 0
    for n, these in enumerate(grams):
        shorter = (
            target[-1][np.searchsorted(grams[n - 1].keys, _suffix(these.keys, n))]
            if n
            else np.zeros(len(these.keys), np.int64)
        )
        leads = shorter.copy()
        if n + 1 < len(grams):
            contexts, context = _contexts(grams[n + 1].keys)
            own = np.searchsorted(these.keys, contexts)
            leads[own] = base + np.arange(len(contexts))
            source.append(base + context)
            states.append(np.stack((_cost(these.backoffs[own]), shorter[own]), axis=1))
            base += len(contexts)
            if n == 0:
                begin = int(leads[-1])  # `BEGIN` is the highest
        target.append(leads)
    byte = np.concatenate([these.keys & np.uint64(255) for these in grams]).astype(np.int64)
    cost = np.concatenate([_cost(these.probabilities) for these in grams])
    leaves = np.concatenate(source)
    # Of each state, which there are fewer than 2³² of, first the most probable bytes.
    order = np.argsort(leaves.astype(np.uint64) << np.uint64(32) | (cost << 8 | byte).astype(np.uint64))
    order = order[byte[order] != BEGIN]
    return _laid_out(
        leaves[order], byte[order], cost[order], np.concatenate(target)[order], np.concatenate(states), begin
    )


def _laid_out(
    source: NDArray[np.int64],
    byte: NDArray[np.int64],
    cost: NDArray[np.int64],
    target: NDArray[np.int64],
    states: NDArray[np.int64],
    begin: int,
) -> Model:
    """Edges (E,) in order of the states they leave, and states (S, 2), by number, as one array."""
    edges = np.bincount(source, minlength=len(states))
    places = 2 * (np.arange(len(states)) + np.cumsum(edges) - edges)
    result = np.zeros(2 * (len(states) + len(source)), np.uint32)
    result[places] = edges << 24 | states[:, 0]
    result[places + 1] = places[states[:, 1]]
    own = 2 * (source + 1 + np.arange(len(source)))
    result[own] = byte << 24 | cost
    result[own + 1] = places[target]
    return Model(result, int(places[begin]))


def _contexts(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The distinct contexts of ascending n-grams, ascending, and which one each n-gram has. (G,)"""
    contexts = keys >> np.uint64(8)
    new = np.append(True, contexts[1:] != contexts[:-1])[: len(keys)]
    return contexts[new], np.cumsum(new) - 1


def _suffix(keys: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """The last n bytes of n-grams."""
    return keys & np.uint64((1 << 8 * n) - 1)


def _cost(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """In `UNIT`, less than 2²⁴."""
    cost: NDArray[np.float64] = -np.log2(np.maximum(share, 2.0**-255)) * UNIT
    return np.rint(cost).astype(np.int64)


@compiled
def _costs(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    states: NDArray[np.uint32],
    begin: int,
) -> NDArray[np.int64]:
    """Texts side by side, a step of each in turn: states lie far apart, and `LANES` of them are fetched at once."""
    costs = np.zeros(len(starts), np.int64)
    text, place, end = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    state, head = np.empty(LANES, np.uint64), np.empty(LANES, np.uint32)
    waiting = lanes = 0
    while True:
        while lanes < LANES and waiting < len(starts):
            if starts[waiting] < stops[waiting]:
                text[lanes], place[lanes], end[lanes] = waiting, starts[waiting], stops[waiting]
                state[lanes] = begin
                lanes += 1
            waiting += 1
        if not lanes:
            return costs
        for lane in range(lanes):
            head[lane] = states[state[lane]]  # no branch between these: all are under way at once
        for lane in range(lanes - 1, -1, -1):
            byte = np.uint32(data[place[lane]])
            edge = state[lane] + np.uint64(2)
            stop = edge + np.uint64(2) * np.uint64(head[lane] >> np.uint32(24))
            while edge < stop and states[edge] >> np.uint32(24) != byte:
                edge += np.uint64(2)
            if edge < stop:
                costs[text[lane]] += np.int64(states[edge] & np.uint32(0xFFFFFF))
                state[lane] = states[edge + np.uint64(1)]
                place[lane] += 1
                if place[lane] == end[lane]:
                    lanes -= 1
                    text[lane], place[lane], end[lane] = text[lanes], place[lanes], end[lanes]
                    state[lane] = state[lanes]
            else:  # every byte of UTF-8 leads on from the empty context
                costs[text[lane]] += np.int64(head[lane] & np.uint32(0xFFFFFF))
                state[lane] = states[state[lane] + np.uint64(1)]
