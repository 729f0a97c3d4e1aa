"""The words of texts, as 64-bit hashes, straight from Arrow's buffers: no Python object for a word or a text.

Text is normalised to NFC and lower case. A *word* is a run of letters, marks, decimal digits or `_`; each Han, Kana,
Thai, Lao or Khmer code point is a word. A run of code points c_0 … c_k hashes to mix(Σ mix(c_i)·B^i) modulo 2⁶⁴
(Karp & Rabin 1987).

A text whose code points are all in NFC by themselves, with marks in canonical order (Unicode Standard Annex 15, quick
check), and become one code point each in lower case wherever they stand, is folded by a table in the same pass. Any
other text (Σ, which is ς or σ by its place; decomposed letters) goes through `unicodedata` and `str.lower`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.dedup import kernels
from tasks.dedup.kernels import ASK, SEPARATOR, SINGLE, WORD

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]
Texts: TypeAlias = "pa.Array | Sequence[str]"

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
_ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))  # the rest: private, or none
PIECE, PIECES = 4096, 256
"""Bytes of a piece of text, about, and pieces, that Python's own normalisation is asked about at once."""
_COMPOSE = (range(0x1161, 0x1176), range(0x11A8, 0x11C3))  # Hangul vowels and finals, composed by arithmetic


@dataclass(frozen=True)
class Words:
    """Words of N texts, W in all."""

    hashes: Hashes
    """(W,)"""
    offsets: Offsets
    """(N + 1,): the words of text i are `offsets[i]:offsets[i + 1]`."""

    @property
    def counts(self) -> Offsets:
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Alphabet:
    """What the kernel knows about every code point; (1 114 112,) each."""

    classes: NDArray[np.uint8]
    fold: NDArray[np.uint32]
    order: NDArray[np.uint8]


def normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def hash_words(texts: Texts) -> Words:
    """The words of texts, normalised; time and memory grow with the bytes (8 bytes of memory a word)."""
    column = arrow(texts)
    words, unknown = _hashed(column, ready=False)
    if not unknown.any():
        return words
    pieces, starts = _cut(column.filter(pa.array(unknown)))
    cut, unknown_pieces = _hashed(pieces, ready=False)
    hashes, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for first in range(0, len(pieces), PIECES):
        asked = pieces[first : first + PIECES].filter(pa.array(unknown_pieces[first : first + PIECES]))
        texts = [normalise(text) for text in asked.to_pylist()]
        part, _ = _hashed(arrow(texts), ready=True)
        hashes.append(part.hashes.copy())  # of room for more
        counts.append(part.counts)
    rest = Words(np.concatenate(hashes), np.concatenate(([0], np.cumsum(np.concatenate(counts)))))
    whole = _merged(cut, unknown_pieces, rest)
    return _merged(words, unknown, Words(whole.hashes, whole.offsets[starts]))


def _cut(column: pa.Array) -> tuple[pa.Array, Offsets]:
    """Texts in pieces of `PIECE` bytes and more, and which piece each text begins with (N + 1,).

    They are cut before spaces and line feeds: no word goes on behind these, no code point is composed with them (Annex
    15), and the case of nothing hangs on what stands on their other side (Unicode Standard, 3.13, Final_Sigma).
    """
    data, borders = buffers(column)
    places, starts = kernels.cut(data, borders, PIECE)
    return pa.LargeStringArray.from_buffers(len(places) - 1, pa.py_buffer(places), column.buffers()[2]), starts


def _merged(words: Words, missing: NDArray[np.bool_], others: Words) -> Words:
    """The words of N texts, of which those that `missing` (N,) marks have no words in `words`, but in `others`."""
    if missing.all():
        return others
    counts = words.counts
    counts[missing] = others.counts
    filled = np.repeat(missing, counts)
    hashes = np.empty(len(filled), np.uint64)
    hashes[filled] = others.hashes
    np.logical_not(filled, out=filled)
    hashes[filled] = words.hashes
    return Words(hashes, np.concatenate(([0], np.cumsum(counts))))


def arrow(texts: Texts) -> pa.Array:
    """Texts as one Arrow array of `large_string` without nulls."""
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    assert column.null_count == 0, "a text is missing"
    return column.cast(pa.large_string())


def buffers(column: pa.Array) -> tuple[NDArray[np.uint8], Offsets]:
    """The UTF-8 bytes under a `large_string` array, and where each text begins and the last one ends; no copy."""
    _, offsets, data = column.buffers()
    borders = np.frombuffer(offsets or bytes(8), np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data or b"", np.uint8), borders


def _hashed(column: pa.Array, *, ready: bool) -> tuple[Words, NDArray[np.bool_]]:
    data, borders = buffers(column)
    table, mixed = alphabet(), _mixed_ascii()
    # Two words of one byte need a byte between them, and a word that needs none has two bytes or more.
    hashes = np.empty(int(borders[-1] - borders[0]) // 2 + len(column) + 1, np.uint64)
    offsets = np.zeros(len(column) + 1, np.int64)
    unknown = kernels.hash_words(
        data, borders, table.classes, table.fold, table.order, mixed, ready, hashes, offsets, np.zeros(0, np.int64)
    )
    return Words(hashes[: offsets[-1]], offsets), unknown


def hash_units(texts: Texts) -> tuple[Words, Offsets]:
    """The *units* of texts as they stand, and where each begins in the bytes of its text (W,).

    A unit ends at white space; a Han, Kana, Thai, Lao or Khmer code point is one by itself. Case, marks and punctuation
    count: equal units are equal bytes.
    """
    column = arrow(texts)
    data, borders = buffers(column)
    classes, mixed = _unit_classes()
    hashes = np.empty(int(borders[-1] - borders[0]) // 2 + len(column) + 1, np.uint64)
    offsets, starts = np.zeros(len(column) + 1, np.int64), np.empty(len(hashes), np.int64)
    table = alphabet()
    kernels.hash_words(data, borders, classes, table.fold, table.order, mixed, True, hashes, offsets, starts)
    return Words(hashes[: offsets[-1]], offsets), starts[: offsets[-1]]


@cache
def alphabet() -> Alphabet:
    """Classes, lower case, and canonical combining classes of all code points, from the interpreter's Unicode data."""
    table = Alphabet(np.zeros(0x110000, np.uint8), np.arange(0x110000, dtype=np.uint32), np.zeros(0x110000, np.uint8))
    codes = [code for part in _ASSIGNED for code in part]
    characters = [chr(code) for code in codes]
    categories = [unicodedata.category(character) for character in characters]
    table.classes[codes] = [WORD * (category[0] in "LM" or category == "Nd") for category in categories]
    lower = [character.lower() for character in characters]
    table.fold[codes] = [ord(folded) if len(folded) == 1 else 0 for folded in lower]
    ask = [ord("Σ"), *(code for part in _COMPOSE for code in part)]
    ask += [code for code, folded in zip(codes, lower, strict=True) if len(folded) != 1]
    for code, character, category in zip(codes, characters, categories, strict=True):
        if category[0] == "M":  # no other has a combining class
            table.order[code] = unicodedata.combining(character)
        parts = unicodedata.decomposition(character).split()
        if parts and parts[0][0] != "<":  # a canonical decomposition
            ask += [int(second, 16) for second in parts[1:]]
            ask += [] if unicodedata.is_normalized("NFC", character) else [code]
    table.order[ask] = ASK
    table.classes[ord("_")] = WORD
    for first, last in _EACH_A_WORD:
        table.classes[first : last + 1] *= SINGLE
    return table


@cache
def _unit_classes() -> tuple[NDArray[np.uint8], Hashes]:
    """The classes of code points where units end at white space, and `mix` of the ASCII characters."""
    classes = np.full(0x110000, WORD, np.uint8)
    classes[[code for code in range(0x3001) if chr(code).isspace()]] = SEPARATOR
    classes[alphabet().classes == SINGLE] = SINGLE
    return classes, np.array([kernels.mix(np.uint64(code)) for code in range(128)], np.uint64)


@cache
def _mixed_ascii() -> Hashes:
    return np.array([kernels.mix(code) for code in alphabet().fold[:128].astype(np.uint64)], np.uint64)
