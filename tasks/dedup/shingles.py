"""Words, n-grams and shingle sets of many texts at once, as 64-bit hashes in NumPy arrays.

Text is normalised to NFC and lower case. A *word* is a run of letters, marks, decimal digits or `_`; each Han, Kana,
Thai, Lao or Khmer code point is a word. The *shingles* of a text are the set of its word n-grams; a text with fewer
than n words has one shingle, the whole of it. Hashes stand for words and n-grams: among 10⁹ of them two different ones
agree with a probability below 3 %, and a Jaccard of such sets is taken as exact.

A run of code points c_0 … c_k hashes to Σ mix(c_i)·B^i (mod 2⁶⁴), taken as a difference of prefix sums, so that all
words of a batch cost a few array operations (Karp & Rabin 1987, rolling polynomial hashes).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]

_CHARACTER_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2⁶⁴
_WORD_BASE = 0xD1342543DE82EF95
_EACH_A_WORD = (  # blocks of Thai, Lao, Khmer, Kana and Han
    (0x0E00, 0x0EFF),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFD),
)
SEPARATOR, WORD, SINGLE = 0, 1, 2


@dataclass(frozen=True)
class Runs:
    """Words (or lines) of N texts, W in all."""

    hashes: Hashes
    """(W,)"""
    starts: Offsets
    """(W,) in code points of the texts joined by one line feed."""
    lengths: Offsets
    """(W,) code points."""
    offsets: Offsets
    """(N + 1,): the runs of text i are `offsets[i]:offsets[i + 1]`."""

    @property
    def counts(self) -> Offsets:
        return np.diff(self.offsets)

    @property
    def texts(self) -> Offsets:
        """(W,) the text that each run lies in."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)


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


def normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def word_runs(texts: Sequence[str]) -> Runs:
    """The words of texts, normalised."""
    return runs([normalise(text) for text in texts], word_classes())


def runs(texts: Sequence[str], classes: NDArray[np.uint8]) -> Runs:
    """Split texts at code points of class `SEPARATOR` (line feed among them); a `SINGLE` one is a run by itself."""
    codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kind = classes[codes]
    word = kind == WORD
    begins, ends = kind == SINGLE, kind == SINGLE
    if len(codes):
        begins = begins | (word & np.concatenate(([True], ~word[:-1])))
        ends = ends | (word & np.concatenate((~word[1:], [True])))
    starts, stops = np.flatnonzero(begins), np.flatnonzero(ends) + 1
    power, inverse = _powers(_CHARACTER_BASE, len(codes))
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(mix(codes.astype(np.uint64)) * power[: len(codes)], out=prefix[1:])
    hashes = mix((prefix[stops] - prefix[starts]) * inverse[starts])
    borders = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return Runs(hashes, starts, stops - starts, np.searchsorted(starts, borders))


def ngrams(tokens: Runs, size: int) -> tuple[Hashes, Offsets]:
    """Hashes of all n-grams of each text in order, and their offsets (N + 1,). A shorter text has none."""
    hashes, offsets = tokens.hashes, tokens.offsets
    power, _ = _powers(_WORD_BASE, size)
    reach = max(0, len(hashes) - size + 1)
    total = np.zeros(reach, np.uint64)
    for k in range(size):
        total += hashes[k : k + reach] * power[k]
    counts = np.maximum(tokens.counts - size + 1, 0)
    inside = ranges(offsets[:-1], counts)
    return mix(total[inside]), np.concatenate(([0], np.cumsum(counts)))


def whole_hashes(tokens: Runs) -> Hashes:
    """For each text the n-gram hash of all its words together. (N,)"""
    counts = tokens.counts
    power, _ = _powers(_WORD_BASE, int(counts.max(initial=0)))
    weighted = tokens.hashes * power[ranges(np.zeros_like(counts), counts)]
    prefix = np.concatenate((np.zeros(1, np.uint64), np.cumsum(weighted)))
    return mix(prefix[tokens.offsets[1:]] - prefix[tokens.offsets[:-1]])


def shingles(texts: Sequence[str], size: int = 5) -> Shingles:
    """The shingle sets of texts, as the module's docstring defines them."""
    return shingles_of(word_runs(texts), size)


def shingles_of(tokens: Runs, size: int) -> Shingles:
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


def concatenate(parts: Sequence[Shingles]) -> Shingles:
    """Shingle sets of consecutive batches as those of all texts."""
    sizes = [np.diff(part.offsets) for part in parts]
    return Shingles(
        values=np.concatenate([np.zeros(0, np.uint64), *(part.values for part in parts)]),
        offsets=np.concatenate(([0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes])))),
        words=np.concatenate([np.zeros(0, np.int64), *(part.words for part in parts)]),
        whole=np.concatenate([np.zeros(0, np.uint64), *(part.whole for part in parts)]),
    )


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


@cache
def word_classes() -> NDArray[np.uint8]:
    """The class of every code point where words of letters, marks, digits and `_` are wanted."""
    category = unicodedata.category
    table = np.fromiter(
        ((c := category(chr(code)))[0] in "LM" or c == "Nd" for code in range(0x110000)), np.uint8, 0x110000
    )
    table[ord("_")] = WORD
    for first, last in _EACH_A_WORD:
        table[first : last + 1] *= SINGLE
    return table


@cache
def whitespace_classes() -> NDArray[np.uint8]:
    """The class of every code point where words end at white space only, as `str.split` sees it."""
    table = np.ones(0x110000, np.uint8)
    table[[code for code in range(0x3001) if chr(code).isspace()]] = SEPARATOR
    return table


@cache
def line_classes() -> NDArray[np.uint8]:
    """The class of every code point where runs are non-empty lines."""
    table = np.ones(0x110000, np.uint8)
    table[ord("\n")] = SEPARATOR
    return table


def _powers(base: int, count: int) -> tuple[Hashes, Hashes]:
    """The powers of `base` and of its inverse modulo 2⁶⁴, at least `count` of them."""
    return _power_table(base, 1 << max(12, count.bit_length()))


@lru_cache(maxsize=4)
def _power_table(base: int, count: int) -> tuple[Hashes, Hashes]:
    tables = []
    for factor in (base, pow(base, -1, 1 << 64)):
        table = np.full(count, factor, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]
