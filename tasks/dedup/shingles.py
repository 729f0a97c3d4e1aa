"""Word n-grams and shingle sets of many texts at once, as 64-bit hashes in arrays.

The *shingles* of a text are the set of its word n-grams (words as in `tasks.dedup.words`); a text with fewer than n
words has one shingle, the whole of it. Hashes stand for words and n-grams: among 10⁹ of them two different ones agree
with a probability below 3 %, and a Jaccard of such sets is taken as exact. An n-gram of words h_0 … h_k hashes to
mix(Σ h_i·W^i) modulo 2⁶⁴ (Karp & Rabin 1987, rolling polynomial hashes).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tasks.dedup.kernels import WORD_BASE
from tasks.dedup.words import Hashes, Offsets, Texts, Words, hash_words


@dataclass(frozen=True)
class Shingles:
    """Shingle sets of N texts: text i has `values[offsets[i]:offsets[i + 1]]`, ascending and distinct."""

    values: Hashes
    offsets: Offsets
    words: Offsets
    """(N,) words of each text."""
    whole: Hashes
    """(N,) hash of the whole sequence of words."""

    def __len__(self) -> int:
        return len(self.words)

    def of(self, text: int) -> Hashes:
        return self.values[self.offsets[text] : self.offsets[text + 1]]


def ngrams(tokens: Words, size: int) -> tuple[Hashes, Offsets]:
    """Hashes of all n-grams of each text in order, and their offsets (N + 1,). A shorter text has none."""
    hashes, offsets = tokens.hashes, tokens.offsets
    power = _powers(size)
    reach = max(0, len(hashes) - size + 1)
    total = np.zeros(reach, np.uint64)
    for k in range(size):
        total += hashes[k : k + reach] * power[k]
    counts = np.maximum(tokens.counts - size + 1, 0)
    inside = ranges(offsets[:-1], counts)
    return mix(total[inside]), np.concatenate(([0], np.cumsum(counts)))


def whole_hashes(tokens: Words) -> Hashes:
    """For each text the n-gram hash of all its words together. (N,)"""
    counts = tokens.counts
    power = _powers(int(counts.max(initial=0)))
    weighted = tokens.hashes * power[ranges(np.zeros_like(counts), counts)]
    prefix = np.concatenate((np.zeros(1, np.uint64), np.cumsum(weighted)))
    return mix(prefix[tokens.offsets[1:]] - prefix[tokens.offsets[:-1]])


def shingles(texts: Texts, size: int = 5) -> Shingles:
    """The shingle sets of texts, as the module's docstring defines them."""
    return shingles_of(hash_words(texts), size)


def shingles_of(tokens: Words, size: int) -> Shingles:
    """The shingle sets of texts whose words are known."""
    values, offsets = ngrams(tokens, size)
    whole, counts = whole_hashes(tokens), tokens.counts
    short = np.flatnonzero(counts < size)
    values = np.insert(values, offsets[short], whole[short])
    sizes = np.diff(offsets)
    sizes[short] = 1
    values, offsets = distinct(values, np.concatenate(([0], np.cumsum(sizes))))
    return Shingles(values, offsets, counts, whole)


def distinct(values: Hashes, offsets: Offsets) -> tuple[Hashes, Offsets]:
    """Sort the values of each text and leave out repeats."""
    values = values.copy()
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        values[start:stop].sort()
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    return values[first], np.concatenate(([0], np.cumsum(first)))[offsets]


def jaccard(one: Hashes, other: Hashes) -> float:
    """|A ∩ B| / |A ∪ B| of two ascending arrays of distinct values; two empty sets are equal."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - common
    return common / union if union else 1.0


def ranges(starts: Offsets, counts: Offsets) -> Offsets:
    """`starts[0], starts[0] + 1, …` (counts[0] of them), then the same for the next, in one array."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    positions: Offsets = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return positions


def mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele et al. 2014), a bijection that spreads every bit over all others."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _powers(count: int) -> Hashes:
    """The powers of the base of n-grams modulo 2⁶⁴, at least `count` of them."""
    return _power_table(1 << max(12, count.bit_length()))


@lru_cache(maxsize=4)
def _power_table(count: int) -> Hashes:
    table = np.full(count, WORD_BASE, np.uint64)
    table[0] = 1
    return np.multiply.accumulate(table)
