"""Compiled loops: words, signatures, verified walk.

Why compiled: on 28 and 40 MB of real documentation the same steps in NumPy took 4 times the processor time (60 and 43
seconds per GB against 16 and 9; docs/curation-dedup.md), mostly to write and read arrays of what a loop keeps in
registers. Why numba, and no extension of our own: it installs as a wheel (60 MB with LLVM), needs no compiler on the
machine, and every kernel is a Python function that runs, slowly, in a debugger under `NUMBA_DISABLE_JIT=1`. Compiling
takes some seconds, once: the machine code is cached beside this file or in the user's cache folder, and loads in 0.7 s.

All kernels stand in this one file, since the cache does not notice a change of a kernel that lies in another file.
Only modules that compute import it. All results are integers or one division of integers, so that no machine differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

CHARACTER_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers have an inverse modulo 2⁶⁴
WORD_BASE = np.uint64(0xD1342543DE82EF95)
CHARACTER_INVERSE, WORD_INVERSE = (np.uint64(pow(int(base), -1, 1 << 64)) for base in (CHARACTER_BASE, WORD_BASE))
SEPARATOR, WORD, SINGLE = 0, 1, 2
ASK = 255  # marks a code point that only Python's own normalisation may judge

_U64, _U32 = np.uint64, np.uint32


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call, without the interpreter's lock; cache the machine code where a folder can be found."""
    try:
        kernel: Callable[..., Any] = njit(function, cache=True, nogil=True)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        kernel = njit(function, nogil=True)
    return kernel


@compiled
def mix(value):  # type: ignore[no-untyped-def]  # numba infers the types
    """The finaliser of SplitMix64 (Steele et al. 2014), of one number."""
    value = value + _U64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> _U64(27))) * _U64(0x94D049BB133111EB)
    return value ^ (value >> _U64(31))


@compiled
def hash_words(data, borders, classes, fold, order, mixed, ready, hashes, offsets, starts):  # type: ignore[no-untyped-def]  # numba infers the types
    """Hash the words of texts `data[borders[i]:borders[i + 1]]`, UTF-8, into `hashes`; `offsets` (N + 1,) say where.

    A code point c is replaced by `fold[c]`, then has a class. `order[c]` is its canonical combining class, or `ASK`:
    a text that holds such a one, or marks out of order, is not in a form that can be folded code point by code point.
    It gets no words, and True in the result (N,). With `ready` all are taken as they stand. `mixed` is `mix` of
    the folded ASCII characters. `starts` (as `hashes`, or empty) gets where in the bytes of its text each word begins.
    """
    placed = len(starts) > 0
    unknown = np.zeros(len(borders) - 1, np.bool_)
    count = 0
    for text in range(len(borders) - 1):
        offsets[text] = count
        at, end = borders[text], borders[text + 1]
        total, power, inside, last = _U64(0), _U64(1), False, np.int64(0)
        while at < end:
            code, begin = np.int64(data[at]), at - borders[text]
            if code < 0x80:
                at += 1
                last = np.int64(0)
                if classes[code] == WORD:
                    if placed and not inside:
                        starts[count] = begin
                    total += mixed[code] * power
                    power *= CHARACTER_BASE
                    inside = True
                elif inside:
                    hashes[count] = mix(total)
                    count += 1
                    total, power, inside = _U64(0), _U64(1), False
                continue
            second = np.int64(data[at + 1]) & 0x3F
            if code < 0xE0:
                code = ((code & 0x1F) << 6) | second
                at += 2
            elif code < 0xF0:
                code = ((code & 0x0F) << 12) | (second << 6) | (np.int64(data[at + 2]) & 0x3F)
                at += 3
            else:
                third = np.int64(data[at + 2]) & 0x3F
                code = ((code & 0x07) << 18) | (second << 12) | (third << 6) | (np.int64(data[at + 3]) & 0x3F)
                at += 4
            if not ready:
                place = np.int64(order[code])
                if place == ASK or (place != 0 and place < last):
                    unknown[text] = True
                    break
                last = place
                code = np.int64(fold[code])
            kind = classes[code]
            if kind == WORD:
                if placed and not inside:
                    starts[count] = begin
                total += mix(_U64(code)) * power
                power *= CHARACTER_BASE
                inside = True
                continue
            if inside:
                hashes[count] = mix(total)
                count += 1
                total, power, inside = _U64(0), _U64(1), False
            if kind == SINGLE:
                if placed:
                    starts[count] = begin
                hashes[count] = mix(mix(_U64(code)))
                count += 1
        if unknown[text]:
            count = offsets[text]
        elif inside:
            hashes[count] = mix(total)
            count += 1
    offsets[len(borders) - 1] = count
    return unknown


@compiled
def cut(data, borders, size):  # type: ignore[no-untyped-def]  # numba infers the types
    """Cut texts `data[borders[i]:borders[i + 1]]` before spaces and line feeds that are `size` bytes or more apart.

    Returns where each piece begins and the last one ends (P + 1,), and the number of the piece that each text begins
    with, and of pieces (N + 1,).
    """
    places = np.empty((borders[-1] - borders[0]) // size + len(borders), np.int64)
    starts = np.empty(len(borders), np.int64)
    count = 0
    for text in range(len(borders) - 1):
        at, end = borders[text], borders[text + 1]
        starts[text] = count
        places[count] = at
        count += 1
        while at + size < end:
            at += size
            while at < end and data[at] != 0x20 and data[at] != 0x0A:
                at += 1
            if at < end:
                places[count] = at
                count += 1
    starts[-1], places[count] = count, borders[-1]
    return places[: count + 1], starts


@compiled
def sign(hashes, offsets, size, multipliers, increments, minima):  # type: ignore[no-untyped-def]  # numba infers the types
    """MinHash signatures of the word n-grams of texts into `minima` (N, K); of fewer words than `size` all are one."""
    for text in range(len(offsets) - 1):
        row = minima[text]
        row[:] = _U32(0xFFFFFFFF)
        first, words = offsets[text], offsets[text + 1] - offsets[text]
        length = min(words, size)
        for start in range(first, first + max(1, words - size + 1)):
            total = _U64(0)
            for word in range(start + length - 1, start - 1, -1):
                total = total * WORD_BASE + hashes[word]
            value = _U32(mix(total))  # then the finaliser of MurmurHash3, as datasketch's affine32
            value = _U32(_U32(value ^ (value >> _U32(16))) * _U32(0x85EBCA6B))
            value = _U32(_U32(value ^ (value >> _U32(13))) * _U32(0xC2B2AE35))
            value = _U32(value ^ (value >> _U32(16)))
            for k in range(len(multipliers)):
                row[k] = min(row[k], _U32(multipliers[k] * value + increments[k]))


@compiled
def band_keys(signatures, rows, keys):  # type: ignore[no-untyped-def]  # numba infers the types
    """Keys (N, bands) of bands of `rows` values of signatures (N, K)."""
    for text in range(len(signatures)):
        for band in range(keys.shape[1]):
            key = _U64(0)
            for row in range(band * rows, (band + 1) * rows):
                key = mix(key * WORD_BASE + _U64(signatures[text, row]))
            keys[text, band] = key


@compiled
def directory(known, starts):  # type: ignore[no-untyped-def]  # numba infers the types
    """Into `starts` (2ᵇ + 1,), of ascending hashes, how many have upper b bits below each number of b bits."""
    shift, buckets = _U64(64), _U64(len(starts) - 1)
    while buckets > _U64(1):
        shift, buckets = shift - _U64(1), buckets >> _U64(1)
    bucket = 0
    for place in range(len(known)):
        while bucket <= np.int64(known[place] >> shift):
            starts[bucket] = place
            bucket += 1
    starts[bucket:] = len(known)


@compiled
def count_known(keys, known, starts, counts):  # type: ignore[no-untyped-def]  # numba infers the types
    """Into `counts` (N,) how many of each row of `keys` (N, K) are among `known`, of the `directory` `starts`."""
    shift, buckets = _U64(64), _U64(len(starts) - 1)
    while buckets > _U64(1):
        shift, buckets = shift - _U64(1), buckets >> _U64(1)
    for text in range(len(keys)):
        for key in keys[text]:
            bucket = key >> shift
            place, stop = starts[bucket], starts[bucket + _U64(1)]
            while place < stop and known[place] < key:
                place += 1
            counts[text] += place < stop and known[place] == key


@compiled
def common(one, other, needed):  # type: ignore[no-untyped-def]  # numba infers the types
    """How many values two ascending arrays of distinct ones share; fewer where `needed` is out of reach."""
    i = j = count = 0
    while i < len(one) and j < len(other):
        if count + min(len(one) - i, len(other) - j) < needed:
            break
        left, right = one[i], other[j]
        count += left == right
        i += left <= right
        j += right <= left
    return count


@compiled
def walk(slots, starts, values, offsets, sets, wanted, only, threshold, members, held, matched, jaccard):  # type: ignore[no-untyped-def]  # numba infers the types
    """Greedy keep over documents 0 … M − 1 in their order; returns how many pairs were verified.

    `slots` (M, bands) are the buckets that a document lies in, or −1. Document d has the set `values[offsets[s]:
    offsets[s + 1]]`, s = `sets[d]`. Kept documents enter `members[starts[b]:starts[b] + held[b]]` of their buckets b.
    `wanted` (M,) ones do so uncompared, and with `only` no others do.
    """
    seen = np.full(len(slots), -1, np.int32)  # the last document that this one was a candidate of
    verified = 0
    for document in range(len(slots)):
        mine = values[offsets[sets[document]] : offsets[sets[document] + 1]]
        best, twin = threshold, -1
        for bucket in slots[document, : 0 if wanted[document] else slots.shape[1]]:
            if bucket < 0:
                continue
            for place in range(starts[bucket], starts[bucket] + held[bucket]):
                other = members[place]
                if seen[other] == document:
                    continue
                seen[other] = document
                theirs = values[offsets[sets[other]] : offsets[sets[other] + 1]]
                both = len(mine) + len(theirs)
                if min(len(mine), len(theirs)) / max(len(mine), len(theirs)) < best:
                    continue
                verified += 1
                shared = common(mine, theirs, np.int64(best * both / (1 + best)) - 1)  # one less: rounding
                score = shared / (both - shared)
                if score > best or (score == best and (twin < 0 or other < twin)):
                    best, twin = score, other
        if twin >= 0:
            matched[document], jaccard[document] = twin, best
        if twin >= 0 or (only and not wanted[document]):
            continue
        for bucket in slots[document]:
            if bucket >= 0:
                members[starts[bucket] + held[bucket]] = document
                held[bucket] += 1
    return verified


@compiled
def find_ngrams(hashes, offsets, lengths, whole, values, flags):  # type: ignore[no-untyped-def]  # numba infers the types
    """Which of `values` (ascending n-gram hashes) occur in texts of hashed words: (H,) texts, (H,) places in `values`.

    Each pair comes once. N-grams of all `lengths` are looked for; with `whole`, of a text shorter than a length the
    whole. `flags` (a power of two) is 1 at the low bits of each value, so that most n-grams need no search.
    """
    texts, places = np.empty(1024, np.int64), np.empty(1024, np.int64)
    last = np.full(len(values), -1, np.int64)  # the text that a value was last found in
    low = _U64(len(flags) - 1)
    count = 0
    for text in range(len(offsets) - 1):
        first, words = offsets[text], offsets[text + 1] - offsets[text]
        for wanted in lengths:
            length = min(wanted, words) if whole else wanted
            if length > words:
                continue
            total, power = _U64(0), _U64(1)  # W^0 … W^(length − 1), the last after the loop
            for k in range(length):
                total += hashes[first + k] * power
                if k < length - 1:
                    power *= WORD_BASE
            for start in range(first, first + words - length + 1):
                if start > first:
                    total = (total - hashes[start - 1]) * WORD_INVERSE + hashes[start + length - 1] * power
                value = mix(total)
                if flags[value & low] == 0:
                    continue
                place = np.searchsorted(values, value)
                if place == len(values) or values[place] != value or last[place] == text:
                    continue
                last[place] = text
                if count == len(texts):
                    texts, places = np.append(texts, texts), np.append(places, places)  # twice the room
                texts[count], places[count] = text, place
                count += 1
    return texts[:count], places[:count]


@compiled
def count_windows(hashes, offsets, size, once, again):  # type: ignore[no-untyped-def]  # numba infers the types
    """Mark the slots (a power of two of them) of windows of `size` words: seen once, and seen again."""
    low = _U64(len(once) - 1)
    for text in range(len(offsets) - 1):
        words = offsets[text + 1] - offsets[text]
        total, power = _U64(0), _U64(1)
        for word in range(words):
            at = offsets[text] + word
            if word < size:
                total += hashes[at] * power
                if word < size - 1:
                    power *= WORD_BASE
                    continue
            else:
                total = (total - hashes[at - size]) * WORD_INVERSE + hashes[at] * power
            slot = mix(total) & low
            if once[slot]:
                again[slot] = True
            once[slot] = True


@compiled
def collect_windows(hashes, offsets, starts, sizes, ranks, size, again, found):  # type: ignore[no-untyped-def]  # numba infers the types
    """Windows in slots seen again into `found` (W, 4): two hashes, rank of the text · 2³² + place, bytes. Returns how
    many.

    The second hash is over other values and another base, so that both together tell windows apart. Bytes are the
    first of the window · 2³² + the first behind it, where the next word begins or the text of `sizes` bytes ends.
    """
    low = _U64(len(again) - 1)
    count = 0
    for text in range(len(offsets) - 1):
        words = offsets[text + 1] - offsets[text]
        total, other, power, strength = _U64(0), _U64(0), _U64(1), _U64(1)
        for word in range(words):
            at = offsets[text] + word
            if word < size:
                total += hashes[at] * power
                other += mix(hashes[at]) * strength
                if word < size - 1:
                    power *= WORD_BASE
                    strength *= CHARACTER_BASE
                    continue
            else:
                total = (total - hashes[at - size]) * WORD_INVERSE + hashes[at] * power
                other = (other - mix(hashes[at - size])) * CHARACTER_INVERSE + mix(hashes[at]) * strength
            value = mix(total)
            if again[value & low]:
                found[count, 0], found[count, 1] = value, other
                found[count, 2] = (_U64(ranks[text]) << _U64(32)) | _U64(word - size + 1)
                stop = starts[at + 1] if word + 1 < words else sizes[text]
                found[count, 3] = (_U64(starts[at - size + 1]) << _U64(32)) | _U64(stop)
                count += 1
    return count
