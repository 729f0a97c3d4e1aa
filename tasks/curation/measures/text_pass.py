"""Counts of one text after another in one compiled pass over an Arrow string buffer.

Compiled by numba and not as a C extension: the machines that run this have no compiler, and a wheel for each platform
would have to be built for one file. The first call on a machine compiles for some seconds; the result is cached beside
this file or, where that cannot be written, in numba's own folder. `NUMBA_DISABLE_JIT=1` runs it as plain Python.

N-grams are found with little work: an n-gram repeats only where the (n − 1)-gram at its place does, so that all places
are looked up for n = 2 and the few that are left for longer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

SPACE, LETTER, DIGIT, OTHER, SINGLE, BULLET, SENTENCE, TERMINAL, CODE = (1 << bit for bit in range(9))
"""Classes of code points. The first four exclude each other; `SINGLE` ones are words by themselves."""

TOP, LONGEST_TOP, LONGEST = 2, 4, 10  # n of the most frequent n-grams 2 … 4; repeated n-grams are the rest, to 10
N_GRAMS = (
    *(f"top_{n}_gram" for n in range(TOP, LONGEST_TOP + 1)),
    *(f"duplicate_{n}_gram" for n in range(LONGEST_TOP + 1, LONGEST + 1)),
)
COUNTED = (
    "characters",
    "words",
    "word_characters",
    "longest_word",
    "alphabetic_words",
    "hashes",
    "ellipses",
    "special_characters",
    "digits",
    "curly_braces",
    "stop_words",
    "sentences",
    "lorem_ipsum",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
    "punctuated_lines",
    "code_lines",
    "short_lines",
    "line_feeds",
    "paragraphs",
    "duplicate_lines",
    "duplicate_line_characters",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
    *N_GRAMS,
)
_WORDS, _LINES, _PARAGRAPHS = (COUNTED.index(name) for name in ("words", "lines", "paragraphs"))
_REPEATED, _FIRST_GRAM = COUNTED.index("duplicate_lines"), COUNTED.index(N_GRAMS[0])

_SEED = np.uint64(0x9E3779B97F4A7C15)
_PART = np.uint64(0xD1342543DE82EF95)  # odd: a bijection modulo 2⁶⁴
_SLOT = np.uint64(0xD6E8FEB86659FD93)
_BLANK = np.uint64((0x9E3779B97F4A7C15 ^ 0x20) * 0xD1342543DE82EF95 % (1 << 64))  # the hash of a gap of one space
_ALL, _ONES, _UPPER, _LOWER, _FROM_A, _BEHIND_Z = (
    np.uint64(byte * 0x0101010101010101) for byte in (0xFF, 0x01, 0x80, 0x20, 0x80 - 0x61, 0x7F - 0x7A)
)
_LOREM, _IPSUM = np.frombuffer(b"lorem", np.uint8), np.frombuffer(b"ipsum", np.uint8)
_LINE_FEED, _ELLIPSIS = 0x0A, 0x2026

Hashes = NDArray[np.uint64]
Sizes = NDArray[np.int32]
Counts = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    typed: Function = numba.njit(cache=True, nogil=True)(function)
    return typed


def inlined(function: Function) -> Function:
    """For what is called for each word: a call with arrays takes as long as the work (numba counts references)."""
    typed: Function = numba.njit(cache=True, nogil=True, forceinline=True)(function)
    return typed


@compiled
def count(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    classes: NDArray[np.uint16],
    stop_words: Hashes,
    short: int,
) -> Counts:
    """The counts of `COUNTED` of each text, (N, C); text i is `data[offsets[i]:offsets[i + 1]]`, UTF-8.

    `classes` (0x110000,) says what a code point is; `stop_words` (64,) has lower-case ASCII words of up to 8 letters,
    as little-endian numbers, each at its `stop_slot`; `short` lines have at most so many code points. Texts have fewer
    than 2³¹ code points.
    """
    texts = len(offsets) - 1
    result = np.zeros((texts, len(COUNTED)), np.int64)
    most: Any = 0
    for text in range(texts):
        most = max(most, offsets[text + 1] - offsets[text])
    # No text has more words or lines than that. Memory that is not written to is not taken.
    room = most // 2 + 2
    words, spans = np.empty(room, np.uint64), np.empty((room, 2), np.int32)
    lines, line_sizes = np.empty(room, np.uint64), np.empty(room, np.int32)
    paragraphs, paragraph_sizes = np.empty(room, np.uint64), np.empty(room, np.int32)
    places, grams = np.empty(room, np.int32), np.empty(room, np.uint64)
    firsts, times = np.empty(room, np.int32), np.empty(room, np.int32)
    table = np.empty(_table_size(room), np.int32)
    seen = np.empty(_seen_size(room), np.uint8)
    for text in range(texts):
        row = result[text]
        start, stop = offsets[text], offsets[text + 1]
        parts = (words, spans, lines, line_sizes, paragraphs, paragraph_sizes)
        _split(data, start, stop, classes, stop_words, short, *parts, row)
        row[_REPEATED], row[_REPEATED + 1] = _repeated(lines[: row[_LINES]], line_sizes, table)
        row[_REPEATED + 2], row[_REPEATED + 3] = _repeated(paragraphs[: row[_PARAGRAPHS]], paragraph_sizes, table)
        _repeated_ngrams(words[: row[_WORDS]], spans, places, grams, firsts, times, table, seen, row)
    return result


@compiled
def _split(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    classes: NDArray[np.uint16],
    stop_words: Hashes,
    short: int,
    words: Hashes,
    spans: Sizes,
    lines: Hashes,
    line_sizes: Sizes,
    paragraphs: Hashes,
    paragraph_sizes: Sizes,
    row: Counts,
) -> None:
    """Hashes of words, lines and paragraphs, the spans (begin, end) or sizes of each, and all that is only counted."""
    word_count = line_count = paragraph_count = 0
    word_characters = longest = alphabetic = hashes = ellipses = special = digits = braces = 0
    sentences = lorem = bullets = ellipsis_lines = punctuated = code_lines = short_lines = feeds = 0
    stops_seen = np.uint64(0)  # one bit for each slot
    at, place, line_begin = 0, start, 0
    word_start, word_place, kinds = -1, 0, 0  # −1: not in one
    line_start, first_kind = -1, 0
    paragraph_start, gap_feeds = -1, 0
    line, paragraph, gap = _SEED, _SEED, _SEED
    end, last_kind, last_code, last_dots, lorem_at = 0, 0, 0, 0, -1  # of the last word
    kind: Any = 0
    code: Any = 0
    dots = 0
    while place <= stop:
        before_kind, before_code, first_place = kind, code, place
        inside = place < stop
        if inside:
            code = np.int64(data[place])
            place += 1
            if code >= 0x80:
                code &= 0x3F if code < 0xE0 else 0x0F if code < 0xF0 else 0x07
                while place < stop and (data[place] & 0xC0) == 0x80:
                    code = min((code << 6) | (np.int64(data[place]) & 0x3F), 0x10FFFF)
                    place += 1
        else:
            code = _LINE_FEED  # ends the last line
            place += 1
        kind = np.int64(classes[code])

        if word_start >= 0 and (kind & (SPACE | SINGLE) or kinds & SINGLE):
            size = first_place - word_place
            word = _hashed(data, word_place, first_place)
            words[word_count], spans[word_count, 0], spans[word_count, 1] = word, word_start, at
            word_count += 1
            length = at - word_start
            word_characters += length
            longest = max(longest, length)
            alphabetic += (kinds & LETTER) != 0
            stops_seen |= _stop_bit(data, word_place, size, stop_words)
            if size >= 5 and kind & (SPACE | SINGLE):
                if lorem_at == word_start and _are(data, word_place, _IPSUM):
                    lorem += 1
                lorem_at = at + 1 if code == 0x20 and _are(data, first_place - 5, _LOREM) else -1
            if kind & SPACE and before_kind & SENTENCE:
                sentences += 1
            line, paragraph = (line ^ word) * _PART, (paragraph ^ word) * _PART
            end, last_kind, last_code, last_dots = at, before_kind, before_code, dots
            word_start, gap, gap_feeds = -1, _SEED, 0

        if dots and code != 0x2E:
            ellipses += dots // 3
            dots = 0

        if kind & SPACE:
            gap = (gap ^ np.uint64(code)) * _PART
            if code == _LINE_FEED:
                gap_feeds += 1
                feeds += inside
                if line_start >= 0:
                    lines[line_count], line_sizes[line_count] = _mixed(line), end - line_start
                    line_count += 1
                    short_lines += at - line_begin <= short
                    bullets += (first_kind & BULLET) != 0
                    punctuated += (last_kind & TERMINAL) != 0
                    code_lines += (last_kind & CODE) != 0
                    ellipsis_lines += last_code == _ELLIPSIS or last_dots >= 3
                    line_start = -1
                line_begin = at + 1
            at += inside
            while place < stop and data[place] == 0x20:  # indentation
                gap = (gap ^ np.uint64(0x20)) * _PART
                kind = SPACE
                at += 1
                place += 1
            continue

        if word_start < 0:
            word_start, word_place, kinds = at, first_place, 0
            if paragraph_start >= 0 and gap_feeds >= 2:
                paragraphs[paragraph_count] = _mixed(paragraph)
                paragraph_sizes[paragraph_count] = end - paragraph_start
                paragraph_count += 1
                paragraph_start = -1
            if paragraph_start < 0:
                paragraph_start, paragraph = at, _SEED
            else:
                paragraph = (paragraph ^ gap) * _PART
            if line_start < 0:
                line_start, line, first_kind = at, _SEED, kind
            else:
                line = (line ^ gap) * _PART
        kinds |= kind
        at += 1
        if kind & OTHER:
            special += 1
            if code == 0x2E:
                dots += 1
            elif code == _ELLIPSIS:
                ellipses += 1
            elif code == 0x23:
                hashes += 1
            elif code == 0x7B or code == 0x7D:
                braces += 1
        elif kind & DIGIT:
            digits += 1
        if kinds & SINGLE:
            continue
        run = place  # of ASCII letters, which most of most texts is
        place = _letters(data, place, stop)
        if place == run:
            continue
        at += place - run
        kind = LETTER
        kinds |= LETTER
        ellipses += dots // 3
        dots = 0
        # As above, for what most words are: they end in letters, and behind one space another begins with one.
        while (
            place + 1 < stop
            and data[place] == 0x20
            and 0x61 <= data[place + 1] | 0x20 <= 0x7A
            and data[place - 1] | 0x20 != 0x6D  # "lorem"
            and lorem_at != word_start
        ):
            word = _hashed(data, word_place, place)
            words[word_count], spans[word_count, 0], spans[word_count, 1] = word, word_start, at
            word_count += 1
            word_characters += at - word_start
            longest = max(longest, at - word_start)
            alphabetic += 1
            stops_seen |= _stop_bit(data, word_place, place - word_place, stop_words)
            line, paragraph = ((line ^ word) * _PART ^ _BLANK) * _PART, ((paragraph ^ word) * _PART ^ _BLANK) * _PART
            word_start, word_place, kinds = at + 1, place + 1, LETTER
            place = _letters(data, place + 2, stop)
            at += place - word_place + 1
        code = np.int64(data[place - 1])
    if paragraph_start >= 0:
        paragraphs[paragraph_count], paragraph_sizes[paragraph_count] = _mixed(paragraph), end - paragraph_start
        paragraph_count += 1
    stops = 0
    while stops_seen:
        stops_seen &= stops_seen - np.uint64(1)
        stops += 1
    counted = (
        at, word_count, word_characters, longest, alphabetic, hashes, ellipses, special, digits, braces, stops,
        sentences, lorem, line_count, bullets, ellipsis_lines, punctuated, code_lines, short_lines, feeds,
        paragraph_count,
    )  # fmt: skip
    for column in range(len(counted)):
        row[column] = counted[column]


@inlined
def stop_slot(word: Any) -> Any:
    """Which of 64 slots a lower-case word of up to 8 bytes, as a little-endian number, is looked for in."""
    return (word * _SLOT) >> np.uint64(58)


@inlined
def _eight(data: NDArray[np.uint8], start: int) -> Any:
    """Eight bytes as a little-endian number; LLVM makes one load of it, since unsigned places need no check."""
    place = np.uint64(start)
    return (
        np.uint64(data[place])
        | np.uint64(data[place + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[place + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[place + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[place + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[place + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[place + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[place + np.uint64(7)]) << np.uint64(56)
    )


@inlined
def _up_to_eight(data: NDArray[np.uint8], start: int, size: int) -> Any:
    """One to eight bytes as a little-endian number."""
    if start + 8 <= len(data):
        return _eight(data, start) & (_ALL >> np.uint64(64 - 8 * size))
    number = np.uint64(0)
    for place in range(start + size - 1, start - 1, -1):
        number = number << np.uint64(8) | np.uint64(data[place])
    return number


@inlined
def _letters(data: NDArray[np.uint8], place: int, stop: int) -> int:
    """The place behind the ASCII letters from a place on. Of eight bytes at once the upper bits say which are none."""
    while place + 8 <= len(data):
        eight = _eight(data, place)
        lower = (eight | _LOWER) & ~_UPPER
        others = (lower + _FROM_A & ~(lower + _BEHIND_Z) & ~eight & _UPPER) ^ _UPPER
        if others:
            below = (others & (~others + np.uint64(1))) - np.uint64(1)  # the bits below the lowest
            letters: Any = np.int64(((below & _ONES) * _ONES) >> np.uint64(56)) - 1
            end: int = min(place + letters, stop)
            return end
        place += 8
        if place >= stop:
            return stop
    while place < stop and 0x61 <= data[place] | 0x20 <= 0x7A:
        place += 1
    return place


@inlined
def _hashed(data: NDArray[np.uint8], start: int, stop: int) -> Any:
    """The hash of a word."""
    word, place = _SEED ^ np.uint64(stop - start), start
    while place + 8 < stop:
        word = ((word ^ _eight(data, place)) * _PART) ^ (word >> np.uint64(32))
        place += 8
    return _mixed((word ^ _up_to_eight(data, place, stop - place)) * _PART ^ (word >> np.uint64(32)))


@inlined
def _stop_bit(data: NDArray[np.uint8], start: int, size: int, stop_words: Hashes) -> Any:
    """The bit of a stop word's slot, 0 for other words."""
    if size > 8:
        return np.uint64(0)
    lower = _up_to_eight(data, start, size) | _LOWER >> np.uint64(64 - 8 * size)
    slot = stop_slot(lower)
    return np.uint64(stop_words[slot] == lower) << slot


@compiled
def _are(data: NDArray[np.uint8], place: int, letters: NDArray[np.uint8]) -> bool:
    """Whether these letters stand at a place, in either case."""
    matched = 0
    while matched < len(letters) and data[place + matched] | 0x20 == letters[matched]:
        matched += 1
    return matched == len(letters)


@compiled
def _repeated(hashes: Hashes, sizes: Sizes, table: Sizes) -> tuple[int, int]:
    """How many of the hashes (K,) equal an earlier one, and the sum of their sizes."""
    size = _table_size(len(hashes))
    mask = size - 1
    table[:size] = -1
    count = characters = 0
    for number in range(len(hashes)):
        slot = np.int64(hashes[number] & np.uint64(mask))
        while table[slot] >= 0 and hashes[table[slot]] != hashes[number]:
            slot = (slot + 1) & mask
        if table[slot] >= 0:
            count += 1
            characters += sizes[number]
        else:
            table[slot] = number
    return count, characters


@compiled
def _repeated_ngrams(
    words: Hashes,
    spans: Sizes,
    places: Sizes,
    grams: Hashes,
    firsts: Sizes,
    times: Sizes,
    table: Sizes,
    seen: NDArray[np.uint8],
    row: Counts,
) -> None:
    """Characters in the most frequent, or in repeated, n-grams, into the columns of `N_GRAMS`.

    Scratch: `places` where an n-gram may repeat, its hash in `grams`, and in `firsts` the number of the first that is
    equal to it; `times` that one occurs, negative once one was counted from.
    """
    if len(words) < TOP:
        return
    for n in range(TOP, min(LONGEST_TOP, len(words)) + 1):  # what the first n-gram has, if none occurs twice
        row[_FIRST_GRAM + n - TOP] = spans[n - 1, 1] - spans[0, 0]
    alive = _places_that_may_repeat(words, places, seen)
    for number in range(alive):
        grams[number] = words[places[number]]
        firsts[number] = 0
    for n in range(TOP, LONGEST + 1):
        while alive and places[alive - 1] + n > len(words):
            alive -= 1
        _match(words, n, places[:alive], grams, firsts, times, table)
        column = _FIRST_GRAM + n - TOP
        if n <= LONGEST_TOP:
            best = 1
            for number in range(alive):
                best = max(best, times[number])
            if best > 1:
                number = 0
                while times[number] < best:
                    number += 1
                row[column] = best * (spans[places[number] + n - 1, 1] - spans[places[number], 0])
        kept = free = characters = 0
        for number in range(alive):
            first, place = firsts[number], places[number]
            repeats = times[first] != 1
            if n > LONGEST_TOP and repeats and place >= free:
                if times[first] < 0:
                    free = place + n
                    for word in range(place, free):
                        characters += spans[word, 1] - spans[word, 0]
                else:
                    times[first] = -times[first]  # seen
            table[number] = kept
            places[kept], grams[kept], firsts[kept] = place, grams[number], table[first]
            kept += repeats
        if n > LONGEST_TOP:
            row[column] = characters
        alive = kept
        if not alive:
            break


@inlined
def _match(words: Hashes, n: int, places: Sizes, grams: Hashes, firsts: Sizes, times: Sizes, table: Sizes) -> None:
    """From (n − 1)-grams at `places`, whose hashes and first equals are known, to n-grams there; `times` of each.

    An n-gram whose last word is that of the first of its (n − 1)-grams equals that one, and the first stays the first.
    The others alone are looked up. `times` of what is not the first of its kind is 0.
    """
    others = 0
    for number in range(len(places)):
        last = words[places[number] + n - 1]
        grams[number] = grams[number] * _PART + last
        first = firsts[number]
        times[number] = 0
        if n == TOP or last != words[places[first] + n - 1]:
            firsts[number] = -1
            others += 1
        else:
            times[first] += 1
    if not others:
        return
    size = _table_size(others)
    mask = np.uint64(size - 1)
    table[:size] = -1
    for number in range(len(places)):
        if firsts[number] >= 0:
            continue
        gram = grams[number]
        slot = np.int64(gram & mask)  # words are mixed well, and so are their sums
        while table[slot] >= 0 and grams[table[slot]] != gram:
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = number
        firsts[number] = table[slot]
        times[table[slot]] += 1


@compiled
def _places_that_may_repeat(words: Hashes, places: Sizes, seen: NDArray[np.uint8]) -> int:
    """Where pairs of words stand that share a slot with another: all that repeat, and a few more. No branches."""
    size = _seen_size(len(words))
    mask = np.uint64(size - 1)
    seen[:size] = 0
    for place in range(len(words) - 1):
        slot = (words[place] * _PART + words[place + 1]) & mask
        seen[slot] += seen[slot] < 2
    count = 0
    for place in range(len(words) - 1):
        places[count] = place
        count += seen[(words[place] * _PART + words[place + 1]) & mask] > 1
    return count


@compiled
def _seen_size(entries: int) -> int:
    """Slots that leave most alone; of a very long text, fewer: they are memory, and only save time."""
    return _table_size(entries) * (4 if entries < 1 << 20 else 1)


@compiled
def _table_size(entries: int) -> int:
    """A power of two that leaves a third of a hash table free."""
    size = 4
    while 2 * size < 3 * entries:
        size *= 2
    return size


@inlined
def _mixed(value: Any) -> Any:
    """The finaliser of SplitMix64 (Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
