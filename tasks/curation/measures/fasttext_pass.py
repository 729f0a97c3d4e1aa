"""fastText's walk over the bytes of texts, and the one down its tree of labels, compiled.

What `Dictionary::getLine` and `HierarchicalSoftmax::dfs` do: the same n-grams in the same order, so the same sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.curation.measures.text_pass import compiled, inlined

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
Rows = NDArray[np.int32]
Floats = NDArray[np.float32]

LABEL = b"__label__"
_EOS = b"</s>"
_FNV_OFFSET, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)


@compiled
def find_windows(
    data: Bytes,
    borders: Offsets,
    characters: int,
    most: int,
    starts: Offsets,
    stops: Offsets,
    sizes: Offsets,
    unread: NDArray[np.bool_],
) -> int:
    """Up to `most` windows of up to `characters` code points, spread evenly over each text; returns how many in all.

    Texts are `data[borders[i]:borders[i + 1]]`. Into `starts` and `stops` where each window begins and ends, into
    `sizes` (N,) how many a text has, into `unread` (N,) whether they leave out some of it.
    """
    count = 0
    for text in range(len(sizes)):
        begin, end = borders[text], borders[text + 1]
        length = 0
        for at in range(begin, end):
            length += data[at] & 0xC0 != 0x80
        held = 1 if length <= characters else most
        width = min(characters, -(-length // held))
        sizes[text], unread[text] = held, held * width < length
        head = tail = begin
        skipped = passed = 0  # code points before head, before tail
        for window in range(held):
            first = window * (length - width) // max(held - 1, 1)
            head, tail = _forward(data, head, end, first - skipped), _forward(data, tail, end, first + width - passed)
            starts[count], stops[count] = head, tail
            skipped, passed = first, first + width
            count += 1
    return count


@inlined
def _forward(data: Bytes, at: int, end: int, characters: int) -> int:
    """The place so many code points after another."""
    for _ in range(characters):
        at += 1
        while at < end and data[at] & 0xC0 == 0x80:
            at += 1
    return at


@inlined
def _fnv(state: np.uint32, byte: np.uint8) -> np.uint32:
    # FNV-1a with fastText's sign extension of bytes, which its models are trained with.
    extended = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32((state ^ extended) * _FNV_PRIME)


@compiled
def hash_of(data: Bytes, start: int, stop: int) -> np.uint32:
    state = _FNV_OFFSET
    for at in range(start, stop):
        state = _fnv(state, data[at])
    return state


@inlined
def _space(data: Bytes, at: int, stop: int) -> int:
    """Bytes of the white space at a place, 0 = another character. What `str.isspace` calls so, and NUL."""
    byte = data[at]
    if byte < 128:
        return 1 if byte <= 32 and (byte >= 28 or 9 <= byte <= 13 or byte == 0) else 0
    if byte == 0xC2:
        return 2 if at + 1 < stop and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if not 0xE1 <= byte <= 0xE3 or at + 2 >= stop:
        return 0
    second, third = data[at + 1], data[at + 2]
    if byte == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x80:
        return 3 if third <= 0x8A or 0xA8 <= third <= 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0


@inlined
def _same(data: Bytes, start: int, stop: int, other: Bytes, begin: int, end: int) -> bool:
    if stop - start != end - begin:
        return False
    for at in range(stop - start):  # noqa: SIM110  # a compiled loop
        if data[start + at] != other[begin + at]:
            return False
    return True


@compiled
def embed(
    data: Bytes,
    starts: Offsets,
    stops: Offsets,
    rows: Floats,
    words: Bytes,
    offsets: Offsets,
    table: Rows,
    grams: Rows,
    minn: int,
    maxn: int,
    word_ngrams: int,
    bucket: int,
    hidden: Floats,
    counts: Offsets,
) -> None:
    """Add the rows of each span of text to its `hidden` (N, D), and how many they are to `counts` (N,).

    The other arguments are fields of `FastTextModel`.
    """
    mask = len(table) - 1
    eos = np.frombuffer(_EOS, np.uint8)
    marker = np.frombuffer(LABEL, np.uint8)
    padded = np.empty(256, np.uint8)
    hashes = np.empty(1024, np.uint32)
    found = np.empty(4096, np.int32)
    for text in range(len(starts)):
        at, stop = starts[text], stops[text]
        seen = held = 0
        last = False
        while not last:
            if at < stop:
                gap = _space(data, at, stop)
                if gap:
                    at += gap
                    continue
                begin = at
                state = _FNV_OFFSET
                while at < stop and _space(data, at, stop) == 0:
                    state = _fnv(state, data[at])
                    at += 1
                token, end = data, at
                last = _same(data, begin, end, eos, 0, len(eos))
            else:  # fastText puts this behind each line
                token, begin, end = eos, 0, len(eos)
                state = hash_of(eos, 0, len(eos))
                last = True
            slot = np.int64(state) & mask
            word = np.int64(table[slot])
            while word >= 0 and not _same(token, begin, end, words, offsets[word], offsets[word + 1]):
                slot = (slot + 1) & mask
                word = np.int64(table[slot])
            if word < 0 and end - begin >= len(marker) and _same(token, begin, begin + len(marker), marker, 0, 9):
                continue  # a label
            if word_ngrams > 1:
                if seen == len(hashes):
                    hashes = np.concatenate((hashes, hashes))
                hashes[seen] = state
                seen += 1
            size = end - begin + 2
            if held + 1 + size * max(maxn, 1) > len(found):
                _sum(rows, found, held, hidden[text])
                counts[text] += held
                held = 0
                if 1 + size * max(maxn, 1) > len(found):
                    found = np.empty(2 * (1 + size * maxn), np.int32)
            if word >= 0:
                found[held] = word
                held += 1
            if maxn > 0 and not last:
                if size > len(padded):
                    padded = np.empty(2 * size, np.uint8)
                padded[0] = 60  # <
                padded[1 : size - 1] = token[begin:end]
                padded[size - 1] = 62  # >
                held = _characters(padded, size, grams, minn, maxn, bucket, found, held)
        for first in range(seen):
            gram = np.uint64(np.int64(np.int32(hashes[first])))
            for second in range(first + 1, min(seen, first + word_ngrams)):
                gram = gram * np.uint64(116049371) + np.uint64(np.int64(np.int32(hashes[second])))
                if held == len(found):
                    _sum(rows, found, held, hidden[text])
                    counts[text] += held
                    held = 0
                row = grams[gram % np.uint64(bucket)]
                found[held] = row
                held += row >= 0
        _sum(rows, found, held, hidden[text])
        counts[text] += held


@inlined
def _sum(rows: Floats, found: Rows, count: int, total: Floats) -> None:
    for at in range(count):
        row = np.uint64(found[at])
        for d in range(rows.shape[1]):
            total[d] += rows[row, d]


@inlined
def _characters(word: Bytes, size: int, grams: Rows, minn: int, maxn: int, bucket: int, found: Rows, held: int) -> int:
    """Write the rows of a word's character n-grams into `found`, from place `held` on; returns the place behind."""
    modulus = np.uint32(bucket)
    for start in range(size):
        if word[start] & 0xC0 == 0x80:
            continue
        state = _FNV_OFFSET
        at, length = start, 1
        while at < size and length <= maxn:
            state = _fnv(state, word[at])
            at += 1
            while at < size and word[at] & 0xC0 == 0x80:
                state = _fnv(state, word[at])
                at += 1
            if length >= minn and not (length == 1 and (start == 0 or at == size)):
                row = grams[np.uint64(state % modulus)]
                found[held] = row
                held += row >= 0  # no branch: pruned ones are as frequent as others, a processor cannot guess
            length += 1
    return held


@compiled
def descend(
    hidden: Floats, counts: Offsets, output: Floats, children: Rows, label: Offsets, probability: Floats
) -> None:
    """The most probable leaf of the tree, depth first; branches that cannot win are left out, as fastText does."""
    labels = len(output)
    nodes = np.empty(2 * len(children), np.int64)
    scores = np.empty(2 * len(children), np.float32)
    mean = np.empty(hidden.shape[1], np.float32)
    tiny = np.float32(1e-5)
    for text in range(len(counts)):
        if not counts[text]:
            continue
        scale = np.float32(1.0 / counts[text])
        for d in range(len(mean)):
            mean[d] = hidden[text, d] * scale
        best = np.float32(-np.inf)
        nodes[0], scores[0], depth = len(children) - 1, np.float32(0), 1
        while depth:
            depth -= 1
            node, score = nodes[depth], scores[depth]
            if score < best:
                continue
            if children[node, 0] < 0:
                if score > best:
                    best = score
                    label[text] = node
                continue
            dot = np.float32(0)
            for d in range(len(mean)):
                dot += output[node - labels, d] * mean[d]
            right = np.float32(1) / (np.float32(1) + np.exp(-dot))
            nodes[depth], scores[depth] = children[node, 1], score + np.log(right + tiny)
            nodes[depth + 1], scores[depth + 1] = children[node, 0], score + np.log(np.float32(1) - right + tiny)
            depth += 2
        probability[text] = np.exp(best)
