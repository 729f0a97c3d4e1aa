"""Rarity of a text's words: the mean of −log₂ of their frequency in the corpus, as a difficulty for a curriculum.

After Platanios et al. 2019 (arXiv:1903.09848, section 3.1), who sum over the words; the mean does not grow with length,
which stands beside it (`words`), as does `bits_per_byte`. A word is a run of letters and digits here (each Han, Kana,
Thai, Lao or Khmer code point one by itself), ASCII letters in lower case, so that punctuation and the place in a
sentence make no other word. Frequencies are (c + 1) / (N + V), with counts c in a hashed table of V slots: two words
may share one, which makes rare ones a little too frequent. Tables of parts of a corpus add up to that of the whole. A
text without words has 0.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.curation.measures.columns import Columns
from tasks.curation.measures.statistics import classes
from tasks.curation.measures.text_pass import DIGIT, LETTER, SINGLE, compiled
from tasks.dedup.words import arrow, buffers

SLOTS = 1 << 22
UNIGRAMS = "unigrams.parquet"

Table = NDArray[np.int64]
"""How often the words of each slot occur. (SLOTS,)"""

_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)
_SHIFT = np.uint64(64 - 22)


def empty() -> Table:
    return np.zeros(SLOTS, np.int64)


def add(table: Table, texts: pa.Array) -> None:
    """Count the words of texts into the table."""
    data, offsets = buffers(arrow(texts))
    _walk(data, offsets, classes(), table, np.zeros(0))


def measure(table: Table, texts: pa.Array) -> Columns:
    """Column `rarity`, in bits."""
    data, offsets = buffers(arrow(texts))
    result = np.zeros(len(texts))
    _walk(data, offsets, classes(), table, result)
    return {"rarity": result.round(6)}


def write(table: Table, path: Path) -> None:
    slots = np.flatnonzero(table)
    pq.write_table(pa.table({"slot": slots.astype(np.uint32), "count": table[slots]}), path, compression="zstd")


def read(path: Path) -> Table:
    rows, table = pq.read_table(path), empty()
    table[rows["slot"].to_numpy()] = rows["count"].to_numpy()
    return table


@compiled
def _walk(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint16],
    table: Table,
    result: NDArray[np.float64],
) -> None:
    """Fill `result` (N,) with the rarity of each text; where it is empty count the words into the table instead."""
    counting = len(result) == 0
    whole = 0.0 if counting else math.log2(table.sum() + len(table))
    for text in range(len(offsets) - 1):
        word, inside, words, bits = _SEED, False, 0, 0.0
        place, stop = offsets[text], offsets[text + 1]
        kind: Any = 0
        code: Any = 0
        while place <= stop:
            before, kind, code = kind, 0, 0
            if place < stop:
                # Decoded as in `text_pass`, but not by it: what a kernel calls is compiled into it, and numba's cache
                # looks at the kernel's own file alone, so that it would not notice a change of the other.
                code = np.int64(data[place])
                place += 1
                if code >= 0x80:
                    code &= 0x3F if code < 0xE0 else 0x0F if code < 0xF0 else 0x07
                    while place < stop and (data[place] & 0xC0) == 0x80:
                        code = min((code << 6) | (np.int64(data[place]) & 0x3F), 0x10FFFF)
                        place += 1
                elif 0x41 <= code <= 0x5A:
                    code |= 0x20
                kind = np.int64(kinds[code])
            else:
                place += 1
            part_of_word = kind & (LETTER | DIGIT)
            if inside and (not part_of_word or (kind | before) & SINGLE):
                slot = np.int64(word >> _SHIFT)
                words += 1
                if counting:
                    table[slot] += 1
                else:
                    bits += whole - math.log2(table[slot] + 1)
                word, inside = _SEED, False
            if part_of_word:
                word, inside = (word ^ np.uint64(code)) * _FACTOR, True
                word ^= word >> np.uint64(29)
        if not counting and words:
            result[text] = bits / words
