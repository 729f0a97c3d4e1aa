"""Repetition within a text: Gopher's statistics (Rae et al. 2021, table A1).

- `duplicate_lines`, `duplicate_paragraphs`: share of them that repeat an earlier one of the text; with `_characters`,
  the share of the text's characters in these.
- `top_n_gram`: share of characters in the most frequent word n-gram (the earliest on a tie), white space included;
  0 when none occurs twice.
- `duplicate_n_gram`: share of characters in n-grams that occurred before, taken from left to right without overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tasks.curation.measures.batch import Batch, Columns, share
from tasks.dedup.shingles import Runs, ngrams

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)

_BLANK_LINES = re.compile(r"\n\s*\n")


def measure(batch: Batch) -> Columns:
    paragraphs = [[part.strip() for part in _BLANK_LINES.split(text.strip())] for text in batch.texts]
    columns: dict[str, NDArray[np.generic]] = {}
    for name, parts in (("lines", batch.lines), ("paragraphs", paragraphs)):
        repeated = [_repeated(held) for held in parts]
        counts = np.array([len(held) for held in parts], np.int64)
        columns[f"duplicate_{name}"] = share(np.array([count for count, _ in repeated], np.int64), counts)
        characters = np.array([size for _, size in repeated], np.int64)
        columns[f"duplicate_{name.removesuffix('s')}_characters"] = share(characters, batch.characters)
    for size in TOP:
        columns[f"top_{size}_gram"] = share(_top(batch.words, size), batch.characters)
    for size in DUPLICATE:
        columns[f"duplicate_{size}_gram"] = share(_duplicate(batch.words, size), batch.characters)
    return columns


def _repeated(parts: Iterable[str]) -> tuple[int, int]:
    """How many parts repeat an earlier one, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    for part in parts:
        if part in seen:
            count += 1
            characters += len(part)
        seen.add(part)
    return count, characters


def _top(words: Runs, size: int) -> NDArray[np.int64]:
    """Characters in the most frequent n-gram of each text. (N,)"""
    grams, offsets = ngrams(words, size)
    result = np.zeros(len(offsets) - 1, np.int64)
    if not len(grams):
        return result
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((grams, text))  # stable: equal n-grams of a text keep their order
    grams, text = grams[order], text[order]
    starts = np.flatnonzero(np.concatenate(([True], (grams[1:] != grams[:-1]) | (text[1:] != text[:-1]))))
    counts, first, owner = np.diff(np.append(starts, len(grams))), order[starts], text[starts]
    best = np.lexsort((-first, counts, owner))  # the last of each text has the highest count, the earliest place
    best = best[np.append(owner[best][1:] != owner[best][:-1], True)]
    word = first[best] + (words.offsets[:-1] - offsets[:-1])[owner[best]]  # place among the words
    last = word + size - 1
    characters = words.starts[last] + words.lengths[last] - words.starts[word]
    result[owner[best]] = np.where(counts[best] > 1, counts[best] * characters, 0)
    return result


def _duplicate(words: Runs, size: int) -> NDArray[np.int64]:
    """Characters of words in repeated n-grams of each text. (N,)"""
    grams, offsets = ngrams(words, size)
    result = np.zeros(len(offsets) - 1, np.int64)
    prefix = np.concatenate(([0], np.cumsum(words.lengths)))
    for text in _with_repeats(grams, offsets):
        held = grams[offsets[text] : offsets[text + 1]].tolist()
        first_word = int(words.offsets[text])
        seen: set[int] = set()
        place = 0
        while place < len(held):
            if held[place] in seen:
                word = first_word + place
                result[text] += prefix[word + size] - prefix[word]
                place += size
            else:
                seen.add(held[place])
                place += 1
    return result


def _with_repeats(grams: NDArray[np.uint64], offsets: NDArray[np.int64]) -> list[int]:
    """The texts in which some n-gram occurs twice."""
    ordered = grams.copy()
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        ordered[start:stop].sort()
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    text = np.searchsorted(offsets, same, "right") - 1
    within = same + 1 < offsets[text + 1]  # not across the border of two texts
    return [int(found) for found in np.unique(text[within])]
