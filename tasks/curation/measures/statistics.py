"""The filter statistics of Gopher, C4 and FineWeb in one compiled pass over UTF-8 bytes.

A *word* is delimited by white space, as in Gopher (Rae et al. 2021), and each Han, Kana, Thai, Lao or Khmer code point
is one by itself. A *sentence* ends at . ! ? 。！？ before white space or the end of the text. A *line* is what stands
between line feeds and is not blank, without the white space around it; a *paragraph* is delimited by blank lines.
Lengths are in code points. A share of nothing is 0.

- Gopher, quality (table A1): `words`, `mean_word_length`, `alphabetic_words` (share with a letter), `hash_ratio` and
  `ellipsis_ratio` (per word), `bullet_lines`, `ellipsis_lines` (shares of lines), `stop_words` (distinct ones).
- Gopher, repetition (table A1): `duplicate_lines`, `duplicate_paragraphs`, the share of them that repeat an earlier
  one of the text; with `_characters`, the share of the text's characters in these. `top_n_gram`: share of characters in
  the most frequent word n-gram (the earliest on a tie, and so the first if none occurs twice), white space included.
  `duplicate_n_gram`: share of characters in n-grams that occurred before, taken from left to right without overlap.
- C4 (Raffel et al. 2020, section 2.2): `sentences`, `curly_braces`, `lorem_ipsum`, `longest_word`.
- FineWeb (Penedo et al. 2024, section 3.5): `punctuated_lines` (that end as a sentence does, in any script),
  `short_lines` (of at most 30 characters, white space at their ends included), `newline_ratio` (per word).
- `special_characters` (ROOTS, Laurençon et al. 2022, section 3.1), `digits`: shares of characters; `code_lines`.

Words, lines and n-grams are compared by 64-bit hashes, as in `tasks.dedup.words`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.curation.measures import text_pass
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.text_pass import BULLET, CODE, DIGIT, LETTER, OTHER, SENTENCE, SINGLE, SPACE, TERMINAL
from tasks.dedup import kernels
from tasks.dedup.words import alphabet, arrow, buffers

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = "•-*‣▪◦·"
SENTENCE_ENDS = ".!?。！？"
LINE_ENDS = SENTENCE_ENDS + "．｡‼⁇⁈⁉։؟۔।॥။።፧។៕"  # Unicode's Sentence_Terminal, of scripts in wide use
CODE_ENDS = ";{}"
SHORT = 30  # characters of a line: FineWeb

_ASSIGNED = (range(0x34000), range(0xE0000, 0xE0200))  # no other code point is a letter, a digit or white space


def statistics(texts: pa.Array | Sequence[str]) -> Columns:
    """The statistics of each text, as the module's docstring defines them."""
    data, offsets = buffers(arrow(texts))
    counts = text_pass.count(data, offsets, classes(), _stop_words(), SHORT)
    return _columns(dict(zip(text_pass.COUNTED, counts.T, strict=True)), np.diff(offsets))


def _columns(counts: Columns, sizes: NDArray[np.int64]) -> Columns:
    characters, words, lines, paragraphs = (counts[name] for name in ("characters", "words", "lines", "paragraphs"))
    return {
        "bytes": sizes,
        "characters": characters,
        "words": words,
        "mean_word_length": _share(counts["word_characters"], words),
        "longest_word": counts["longest_word"],
        "alphabetic_words": _share(counts["alphabetic_words"], words),
        "hash_ratio": _share(counts["hashes"], words),
        "ellipsis_ratio": _share(counts["ellipses"], words),
        "special_characters": _share(counts["special_characters"], characters),
        "digits": _share(counts["digits"], characters),
        "curly_braces": counts["curly_braces"],
        "stop_words": counts["stop_words"],
        "sentences": counts["sentences"],
        "lorem_ipsum": counts["lorem_ipsum"],
        "lines": lines,
        "bullet_lines": _share(counts["bullet_lines"], lines),
        "ellipsis_lines": _share(counts["ellipsis_lines"], lines),
        "punctuated_lines": _share(counts["punctuated_lines"], lines),
        "code_lines": _share(counts["code_lines"], lines),
        "short_lines": _share(counts["short_lines"], lines),
        "newline_ratio": _share(counts["line_feeds"], words),
        "duplicate_lines": _share(counts["duplicate_lines"], lines),
        "duplicate_line_characters": _share(counts["duplicate_line_characters"], characters),
        "duplicate_paragraphs": _share(counts["duplicate_paragraphs"], paragraphs),
        "duplicate_paragraph_characters": _share(counts["duplicate_paragraph_characters"], characters),
        **{name: _share(counts[name], characters) for name in text_pass.N_GRAMS},
    }


def _share(part: NDArray[np.generic], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    """part / whole, and 0 where there is no whole. (N,)"""
    fraction: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) != 0)
    return fraction


@cache
def classes() -> NDArray[np.uint16]:
    """What each code point is, as a sum of the classes of `text_pass`."""
    table = np.full(0x110000, OTHER, np.uint16)
    kinds = {"L": LETTER, "M": LETTER, "N": DIGIT}
    for codes in _ASSIGNED:
        for code in codes:
            character = chr(code)
            table[code] = SPACE if character.isspace() else kinds.get(unicodedata.category(character)[0], OTHER)
    for characters, kind in ((BULLETS, BULLET), (SENTENCE_ENDS, SENTENCE), (LINE_ENDS, TERMINAL), (CODE_ENDS, CODE)):
        table[[ord(character) for character in characters]] |= kind
    table[alphabet().classes == kernels.SINGLE] |= SINGLE
    return table


@cache
def _stop_words() -> NDArray[np.uint64]:
    """Each stop word, as a number, in its slot. (64,)"""
    table = np.zeros(64, np.uint64)
    numbers = [np.uint64(int.from_bytes(word.encode(), "little")) for word in STOP_WORDS]
    for number in numbers:
        table[text_pass.stop_slot(number)] = number
    assert np.isin(numbers, table).all(), "two stop words share a slot"
    return table
