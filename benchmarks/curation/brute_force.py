"""Words, shingles and Jaccard once more, apart from `tasks.dedup`, and exhaustive search for twins.

The definition is that of near-duplicates in the docs (NFC, lower case; a word is a run of letters, marks, digits or
`_`; each Han, Kana, Thai, Lao or Khmer code point is a word; shingles are the set of word 5-grams, of fewer words the
whole text). Nothing of it is taken from the product: words are found by a regular expression over names of characters.

The search is exact. Sets of Jaccard ≥ t share an element among the ⌊(1 − t)·|A|⌋ + 1 rarest of each (prefix filter:
Chaudhuri et al. 2006, Bayardo et al. 2007); each pair found so is compared as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

SIZE = 5  # words in a shingle
_PAIRS = 4_000_000  # candidates at a time
_EACH = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "THAI", "LAO ", "KHMER", "IDEOGRAPHIC")
_ASCII = re.compile(r"\w+", re.ASCII)


@cache
def _pattern() -> re.Pattern[str]:
    inside, each = [], []
    for code in range(0x110000):
        char = chr(code)
        kind = unicodedata.category(char)
        if kind[0] in "LM" or kind == "Nd" or char == "_":
            (each if unicodedata.name(char, "").startswith(_EACH) else inside).append(code)
    return re.compile(f"[{_ranges(each)}]|[{_ranges(inside)}]+")


def _ranges(codes: list[int]) -> str:
    breaks = [i for i in range(1, len(codes)) if codes[i] != codes[i - 1] + 1]
    starts, stops = [0, *breaks], [*breaks, len(codes)]
    return "".join(f"\\U{codes[a]:08x}-\\U{codes[b - 1]:08x}" for a, b in zip(starts, stops, strict=True))


def words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII.findall(text.lower())
    return _pattern().findall(unicodedata.normalize("NFC", text).lower())


@dataclass(frozen=True)
class Sets:
    """Shingle sets of N texts: text i has `values[offsets[i]:offsets[i + 1]]`, ascending and distinct."""

    values: np.ndarray
    offsets: np.ndarray
    words: np.ndarray
    """(N,) words of each text."""

    def of(self, text: int) -> np.ndarray:
        return self.values[self.offsets[text] : self.offsets[text + 1]]


def shingle_sets(texts: Iterable[str]) -> Sets:
    """Shingles as 64-bit numbers: words are numbered, and a shingle is a random linear form of its numbers."""
    numbers: dict[str, int] = {}
    factors = np.random.default_rng(20260101).integers(1, 1 << 63, SIZE, dtype=np.uint64) | np.uint64(1)
    parts: list[np.ndarray] = []
    counts, sizes = [], [0]
    for text in texts:
        ids = [numbers.setdefault(word, len(numbers) + 1) for word in words(text)]
        counts.append(len(ids))
        padded = np.array(ids if len(ids) >= SIZE else ids + [0] * (SIZE - len(ids)), np.uint64)
        total = np.zeros(len(padded) - SIZE + 1, np.uint64)
        for k in range(SIZE):
            total += padded[k : k + len(total)] * factors[k]
        parts.append(np.unique(total))
        sizes.append(len(parts[-1]))
    return Sets(np.concatenate(parts), np.cumsum(sizes), np.array(counts))


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def best_twins(
    sets: Sets,
    asked: np.ndarray,
    among: np.ndarray,
    threshold: float,
    apart: Mapping[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """For each text of `asked` the text of `among` with the highest Jaccard ≥ `threshold`, never itself or its `apart`.

    Returns (text or −1, Jaccard or 0), each (len(asked),). Exhaustive.
    """
    sizes = np.diff(sets.offsets)
    _, inverse, frequency = np.unique(sets.values, return_inverse=True, return_counts=True)
    rarity = np.empty(len(frequency), np.int64)
    rarity[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rarity[inverse], owner))
    place = np.arange(len(owner)) - sets.offsets[owner]
    prefix = place < ((1 - threshold) * sizes + 1e-9).astype(np.int64)[owner] + 1
    prefix &= frequency[inverse[order]] > 1
    values, owner = rarity[inverse[order][prefix]], owner[prefix]

    held = np.isin(owner, among)
    held_values, held_owner = values[held], owner[held]
    by_value = np.argsort(held_values, kind="stable")
    held_values, held_owner = held_values[by_value], held_owner[by_value]
    number = np.full(len(sizes), -1)
    number[asked] = np.arange(len(asked))
    asking = number[owner] >= 0
    values, owner = values[asking], owner[asking]
    low, high = np.searchsorted(held_values, values, "left"), np.searchsorted(held_values, values, "right")

    twin, score = np.full(len(asked), -1, np.int64), np.zeros(len(asked))
    ends = np.cumsum(high - low)
    start = 0
    while start < len(values):  # so many at a time that their pairs fit into memory
        base = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + _PAIRS, "right")))
        counts = (high - low)[start:stop]
        left = np.repeat(owner[start:stop], counts)
        first = np.repeat(low[start:stop], counts)
        right = held_owner[first + np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)]
        small, large = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
        possible = (left != right) & (small >= threshold * large - 1e-9)
        pairs = np.unique(left[possible] * len(sizes) + right[possible])
        for one, other in zip((pairs // len(sizes)).tolist(), (pairs % len(sizes)).tolist(), strict=True):
            if apart is not None and apart.get(one) == other:
                continue
            found = jaccard(sets.of(one), sets.of(other))
            if found >= threshold and found > score[number[one]]:
                twin[number[one]], score[number[one]] = other, found
        start = stop
    return twin, score
