"""Statistics of characters, words and sentences: Gopher's quality statistics (Rae et al. 2021, table A1) and C4's.

A sentence ends at . ! ? 。！？ before white space or the end of the text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tasks.curation.measures.batch import Batch, Columns, share

STOP_WORDS = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])

_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|\Z)")
_LETTER, _DIGIT, _SPACE, _OTHER = 0, 1, 2, 3


def measure(batch: Batch) -> Columns:
    kind = _kinds()[batch.codes]
    words, texts = batch.words, batch.texts
    counts = words.counts
    letters = np.concatenate(([0], np.cumsum(kind == _LETTER)))
    alphabetic = (letters[words.starts + words.lengths] > letters[words.starts]).astype(np.int64)
    lower = [text.lower() for text in texts]
    return {
        "bytes": np.array([len(text.encode()) for text in texts], np.int64),
        "characters": batch.characters,
        "words": counts,
        "mean_word_length": share(_sum(words.lengths, words.offsets), counts),
        "longest_word": _max(words.lengths, words.offsets),
        "alphabetic_words": share(_sum(alphabetic, words.offsets), counts),
        "hash_ratio": share(batch.count(batch.codes == ord("#")), counts),
        "ellipsis_ratio": share(np.array([text.count("...") + text.count("…") for text in texts], np.int64), counts),
        "special_characters": share(batch.count(kind == _OTHER), batch.characters),
        "digits": share(batch.count(kind == _DIGIT), batch.characters),
        "curly_braces": batch.count((batch.codes == ord("{")) | (batch.codes == ord("}"))),
        "stop_words": np.array([len(STOP_WORDS.intersection(text.split())) for text in lower], np.int64),
        "sentences": np.array([len(_SENTENCE_END.findall(text)) for text in texts], np.int64),
        "lorem_ipsum": np.array([text.count("lorem ipsum") for text in lower], np.int64),
    }


def _sum(values: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    prefix = np.concatenate(([0], np.cumsum(values)))
    total: NDArray[np.int64] = prefix[offsets[1:]] - prefix[offsets[:-1]]
    return total


def _max(values: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    result = np.zeros(len(offsets) - 1, np.int64)
    filled = np.diff(offsets) > 0
    if filled.any():
        result[filled] = np.maximum.reduceat(values, offsets[:-1][filled])
    return result


@cache
def _kinds() -> NDArray[np.uint8]:
    """Letter (or mark), digit, white space or other, of every code point."""

    def kind(character: str) -> int:
        if character.isspace():
            return _SPACE
        return {"L": _LETTER, "M": _LETTER, "N": _DIGIT}.get(unicodedata.category(character)[0], _OTHER)

    return np.fromiter((kind(chr(code)) for code in range(0x110000)), np.uint8, 0x110000)
