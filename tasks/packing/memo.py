"""The ids of texts by way of their distinct units: what a tokenizer made of a unit once is looked up after that.

A *unit* lies between two cuts that change nothing (`tasks.packing.exact_cuts`): with BERT's pre-tokenizer a word or a
punctuation mark. A corpus has few distinct ones, so nearly all of the time goes into compiled loops over Arrow's
buffers: find the next cut, hash the unit, compare its bytes with those that are known (equal bytes, never equal hashes
alone), copy its ids. Units that are not known go to the tokenizer itself, as texts.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.dedup.kernels import compiled
from tasks.dedup.words import buffers
from tasks.packing.exact_cuts import Cuts

UNITS = 1 << 19
"""Distinct units that are known at once; then all are forgotten and learnt anew, which bounds memory (about 45 MB)."""
UNIT_BYTES = 16 << 20  # of the units that are known; more where a single text is longer
_TOGETHER = 256  # units that are encoded as the words of one text, each for itself: an object for each takes longer
_RUN = 1 << 18  # units that are looked up before their ids are copied
_ASCII = 128  # a unit of one byte has that byte as its number, without a look-up
_FREE = 0
_U64 = np.uint64
_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)

Ids = NDArray[np.uint32]
Numbers = NDArray[np.int64]


def encode_plainly(tokenizer: Any, texts: pa.Array) -> tuple[Ids, Numbers]:
    """The ids of N texts one after another, and how many each has (N,)."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)]
    return np.array(list(chain.from_iterable(rows)), np.uint32), np.array([len(row) for row in rows], np.int64)


class Memo:
    """Encode texts as `encode_plainly` does, each distinct unit once.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        cuts: those that `exact_cuts` finds for it.
        units: distinct units that are known at once.
        unit_bytes: that they have together.
    """

    def __init__(self, tokenizer: Any, cuts: Cuts, *, units: int = UNITS, unit_bytes: int = UNIT_BYTES) -> None:
        self._tokenizer, self._cuts = tokenizer, cuts
        self._most = _ASCII + units
        self._slots = np.zeros(1 << (2 * self._most).bit_length(), np.int32)
        self._hashes = np.zeros(self._most, np.uint64)
        self._ends = np.zeros(self._most, np.int64)  # of the bytes of each unit
        self._bytes = np.empty(unit_bytes, np.uint8)
        self._ids = np.empty(1 << 16, np.uint32)
        self._starts = np.zeros(self._most + 1, np.int64)  # of the ids of each unit
        self._forget()
        self._known = 0
        self._learn([chr(code) for code in range(_ASCII)])

    def encode(self, texts: pa.Array) -> tuple[Ids, Numbers]:
        """The ids of N texts (`large_string`) one after another, and how many each has (N,)."""
        data, borders = buffers(texts)
        longest = int(np.diff(borders).max(initial=0))
        if longest > len(self._bytes):
            self._bytes = np.empty(longest, np.uint8)
            self._forget()
        units, stops = np.empty(_RUN, np.int32), np.empty(len(texts), np.int64)
        lengths, found = np.zeros(len(texts), np.int64), [np.zeros(0, np.uint32)]
        text, at = 0, int(borders[0])
        while text < len(texts):
            first = text
            text, at, count, known, full = _look_up(
                *(data, borders, text, at, self._cuts),
                *(self._slots, self._hashes, self._ends, self._bytes, self._known),
                *(units, stops),
            )
            self._learn(self._texts(known))
            found.append(_copied(units[:count], self._ids, self._starts, first, text, stops, lengths))
            if full:
                self._forget()
        return np.concatenate(found), lengths

    def _forget(self) -> None:
        """Know the units of one byte alone."""
        self._known = _ASCII
        self._slots[:] = _FREE

    def _texts(self, known: int) -> list[str]:
        """The units from the first that has no ids yet to `known`."""
        ends = self._ends[self._known - 1 : known]
        found = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(self._bytes))
        texts: list[str] = found.to_pylist()
        return texts

    def _learn(self, texts: list[str]) -> None:
        """Let the tokenizer encode the units that follow those that are known."""
        together = [texts[at : at + _TOGETHER] for at in range(0, len(texts), _TOGETHER)]
        encodings = self._tokenizer.encode_batch(together, is_pretokenized=True, add_special_tokens=False)
        ids = np.array(list(chain.from_iterable(encoding.ids for encoding in encodings)), np.uint32)
        lengths = np.zeros((len(together), _TOGETHER), np.int64)
        for row, encoding in zip(lengths, encodings, strict=True):
            row[:] = np.bincount(np.array(encoding.word_ids, np.int64), minlength=_TOGETHER)
        lengths = lengths.reshape(-1)[: len(texts)]
        begin = self._starts[self._known]
        if begin + len(ids) > len(self._ids):
            self._ids = np.concatenate([self._ids[:begin], np.empty(begin + 2 * len(ids), np.uint32)])
        self._ids[begin : begin + len(ids)] = ids
        self._starts[self._known + 1 : self._known + len(texts) + 1] = begin + np.cumsum(lengths)
        self._known += len(texts)


@compiled
def _look_up(data, borders, text, at, cuts, slots, hashes, ends, known_bytes, known, units, stops):  # type: ignore[no-untyped-def]  # numba infers the types
    """Number the units of `data` from its byte `at` in `text`; unknown ones get the next number, their bytes a place.

    Returns the text and byte to go on from, how many units there are, how many are known now, and whether it stopped
    because no more can be. `stops` gets for each text that ended here the number of units up to there.
    """
    mask = len(slots) - 1
    count, full = 0, False
    while text < len(borders) - 1:
        end = borders[text + 1]
        while at < end and count < len(units):
            stop, last = at + 1, data[at]
            digest = (_SEED ^ _U64(last)) * _FACTOR
            while stop < end:
                byte = data[stop]
                if cuts[min(last, _ASCII), min(byte, _ASCII)]:
                    break
                digest = (digest ^ _U64(byte)) * _FACTOR
                last = byte
                stop += 1
            length = stop - at
            if length == 1 and last < _ASCII:
                unit = np.int64(last)
            else:
                digest ^= digest >> _U64(32)
                slot = np.int64(digest) & mask
                unit = np.int64(slots[slot])
                while unit != _FREE:
                    begin = ends[unit - 1]
                    if hashes[unit] == digest and ends[unit] - begin == length:
                        same = 0
                        while same < length and known_bytes[begin + same] == data[at + same]:
                            same += 1
                        if same == length:
                            break
                    slot = (slot + 1) & mask
                    unit = np.int64(slots[slot])
                if unit == _FREE:
                    begin = ends[known - 1]
                    if known == len(ends) or begin + length > len(known_bytes):
                        full = True
                        break
                    known_bytes[begin : begin + length] = data[at:stop]
                    unit = known
                    hashes[unit], ends[unit], slots[slot] = digest, begin + length, unit
                    known += 1
            units[count] = unit
            count += 1
            at = stop
        if at < end:
            break
        stops[text] = count
        text += 1
    return text, at, count, known, full


@compiled
def _copied(units, ids, starts, first, stop, stops, lengths):  # type: ignore[no-untyped-def]  # numba infers the types
    """The ids of units one after another; adds to `lengths` of the texts `first` to `stop` how many they got here."""
    size = 0
    for unit in units:
        size += starts[unit + 1] - starts[unit]
    found = np.empty(size, np.uint32)
    size = done = 0
    for text in range(first, min(stop + 1, len(lengths))):
        before = size
        for number in range(done, stops[text] if text < stop else len(units)):
            unit = units[number]
            for place in range(starts[unit], starts[unit + 1]):
                found[size] = ids[place]
                size += 1
        done = stops[text]
        lengths[text] += size - before
    return found
