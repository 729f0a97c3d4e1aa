"""fastText's linear classifier (Joulin et al. 2016, https://arxiv.org/abs/1607.01759), applied to UTF-8 bytes.

Reads the files that fastText writes (`.bin`, and `.ftz`: pruned and product-quantised, Joulin et al. 2016,
https://arxiv.org/abs/1612.03651) and gives fastText's own answers: same n-grams, same hashes, same sums. It is here for
speed: fastText builds a string for each n-gram and decodes quantised rows each time; this walks the bytes once, and the
rows lie decoded in memory.

White space of Unicode ends a word (fastText knows the ASCII one alone), so texts need no preparation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

_MAGIC, _VERSION = 793712314, 12
_HIERARCHICAL, _SOFTMAX = 1, 3  # `loss_name` of fastText
_FNV_OFFSET, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_EOS = b"</s>"
_LABEL = b"__label__"


class NotFastText(ValueError):
    """The file is no fastText classifier that is understood here; the message says why."""


@dataclass(frozen=True)
class FastTextModel:
    """A classifier of L labels over R rows of width D."""

    labels: tuple[str, ...]
    """Without `__label__`, as the model orders them."""
    rows: NDArray[np.float32]
    """(R, D): words, then hashed n-grams."""
    output: NDArray[np.float32]
    """(L, D); with a tree of labels (hierarchical softmax) its inner nodes."""
    children: NDArray[np.int32]
    """(2L − 1, 2) left and right child of each node of the tree, −1 at a label; (0, 2) with a plain softmax."""
    words: Bytes
    """The words, one behind the other."""
    offsets: Offsets
    """(W + 1,) where each begins."""
    table: NDArray[np.int32]
    """Open-addressed: the word at a hash, −1 = none. Its length is a power of two."""
    grams: NDArray[np.int32]
    """(bucket,) the row of each hashed n-gram, −1 = pruned."""
    sizes: tuple[int, int, int, int]
    """Shortest and longest character n-gram, longest word n-gram, buckets."""

    @staticmethod
    def load(path: Path) -> FastTextModel:
        """Raises `NotFastText`."""
        try:
            return _load(path.read_bytes())
        except (IndexError, ValueError, OverflowError) as error:
            if isinstance(error, NotFastText):
                raise
            raise NotFastText("it ends too early") from error

    def predict(self, data: Bytes, starts: Offsets, stops: Offsets) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The label (−1: nothing tells) and its probability for the spans `starts[i]:stops[i]` of UTF-8. (N,)"""
        hidden, counts = self.embed(data, starts, stops)
        return self.classify(hidden, counts)

    def embed(self, data: Bytes, starts: Offsets, stops: Offsets) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Sums of rows (N, D) and how many there are (N,), for spans of UTF-8."""
        hidden = np.zeros((len(starts), self.rows.shape[1]), np.float32)
        counts = np.zeros(len(starts), np.int64)
        sizes = (np.int64(size) for size in self.sizes)
        words = self.words, self.offsets, self.table
        _embed(data, starts, stops, self.rows, *words, self.grams, *sizes, hidden, counts)
        return hidden, counts

    def classify(
        self, hidden: NDArray[np.float32], counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Label and probability of texts whose rows sum to `hidden`."""
        label = np.full(len(counts), -1, np.int64)
        probability = np.zeros(len(counts), np.float32)
        if len(self.children):
            _descend(hidden, counts, self.output, self.children, label, probability)
        else:
            scores = self.probabilities(hidden, counts)
            label = np.where(counts > 0, scores.argmax(axis=1), -1)
            probability = np.where(counts > 0, scores.max(axis=1) + np.float32(1e-5), np.float32(0))  # as fastText
        return label, np.minimum(probability, np.float32(1))

    def probabilities(self, hidden: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of all labels, (N, L), of a plain softmax; where nothing tells they are equal."""
        mean = hidden / np.maximum(counts, 1)[:, None].astype(np.float32)
        scores = np.einsum("nd,ld->nl", mean, self.output, optimize=False)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
        return shares


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._data, kind, count, self._at)
        self._at += found.nbytes
        return found

    def number(self, kind: str) -> int:
        return int(self.numbers(kind, 1)[0])

    def word(self) -> bytes:
        stop = self._data.index(b"\0", self._at)
        found, self._at = self._data[self._at : stop], stop + 1
        return found


def _load(data: bytes) -> FastTextModel:
    reader = _Reader(data)
    if (reader.number("<i4"), reader.number("<i4")) != (_MAGIC, _VERSION):
        raise NotFastText(f"it does not begin like one of version {_VERSION}")
    names = "dim ws epoch min_count neg word_ngrams loss model bucket minn maxn lr_update_rate"
    args = dict(zip(names.split(), reader.numbers("<i4", 12).tolist(), strict=True))
    reader.numbers("<f8", 1)  # sampling threshold
    if args["loss"] not in (_HIERARCHICAL, _SOFTMAX):
        raise NotFastText("its loss is neither softmax nor hierarchical softmax")
    size, word_count, label_count = reader.numbers("<i4", 3).tolist()
    _, pruned = reader.numbers("<i8", 2).tolist()  # tokens seen, pruned n-grams
    words: list[bytes] = []
    labels: list[bytes] = []
    label_counts: list[int] = []
    for _ in range(size):
        word, count = reader.word(), reader.number("<i8")
        if reader.number("<i1"):
            labels.append(word)
            label_counts.append(count)
        else:
            words.append(word)
    if (len(words), len(labels)) != (word_count, label_count) or not labels:
        raise NotFastText("it has no labels")
    kept = reader.numbers("<i4", 2 * max(pruned, 0)).reshape(-1, 2)
    grams = np.arange(word_count, word_count + args["bucket"], dtype=np.int32)
    if pruned >= 0:
        grams[:] = -1
        grams[kept[:, 0]] = kept[:, 1] + word_count
    rows = _quantised(reader) if reader.number("u1") else _dense(reader)
    output = _quantised(reader) if reader.number("u1") and pruned >= 0 else _dense(reader)
    lengths = [len(word) for word in words]
    return FastTextModel(
        labels=tuple(label.decode().removeprefix(_LABEL.decode()) for label in labels),
        rows=rows,
        output=output,
        children=_huffman(label_counts) if args["loss"] == _HIERARCHICAL else np.zeros((0, 2), np.int32),
        words=np.frombuffer(b"".join(words), np.uint8),
        offsets=np.cumsum([0, *lengths]),
        table=_index(words),
        grams=grams,
        sizes=(args["minn"], args["maxn"], args["word_ngrams"], args["bucket"]),
    )


def _dense(reader: _Reader) -> NDArray[np.float32]:
    rows, width = reader.numbers("<i8", 2).tolist()
    return reader.numbers("<f4", rows * width).reshape(rows, width)


def _quantised(reader: _Reader) -> NDArray[np.float32]:
    """A product-quantised matrix, decoded: of each row, code `m` chooses a centroid for the m-th few columns."""
    normed = reader.number("u1")
    rows, width = reader.numbers("<i8", 2).tolist()
    codes = reader.numbers("u1", reader.number("<i4"))
    parts = _centroids(reader)
    decoded = np.concatenate(
        [centroids[code] for centroids, code in zip(parts, codes.reshape(rows, -1).T, strict=True)], axis=1
    )
    assert decoded.shape == (rows, width)
    if normed:
        norm_codes = reader.numbers("u1", rows)
        (norms,) = _centroids(reader)
        decoded = norms[norm_codes] * decoded
    return np.ascontiguousarray(decoded, np.float32)


def _centroids(reader: _Reader) -> list[NDArray[np.float32]]:
    """For each part of the columns its 256 centroids, (256, columns)."""
    width, parts, each, last = reader.numbers("<i4", 4).tolist()
    flat = reader.numbers("<f4", width * 256)
    starts = [256 * each * part for part in range(parts)]
    widths = [each] * (parts - 1) + [last]
    return [
        flat[start : start + 256 * columns].reshape(256, columns) for start, columns in zip(starts, widths, strict=True)
    ]


def _huffman(counts: list[int]) -> NDArray[np.int32]:
    """fastText's tree over labels that descend by count: node 2L − 2 is the root, nodes below L are the labels."""
    total = len(counts)
    weight = [*counts, *([10**15] * (total - 1))]
    children = np.full((2 * total - 1, 2), -1, np.int32)
    leaf, inner = total - 1, total
    for node in range(total, 2 * total - 1):
        for side in (0, 1):
            if leaf >= 0 and weight[leaf] < weight[inner]:
                children[node, side], leaf = leaf, leaf - 1
            else:
                children[node, side], inner = inner, inner + 1
        weight[node] = weight[children[node, 0]] + weight[children[node, 1]]
    return children


def _index(words: list[bytes]) -> NDArray[np.int32]:
    table = np.full(1 << max(4, (3 * len(words)).bit_length()), -1, np.int32)
    mask = len(table) - 1
    for number, word in enumerate(words):
        slot = int(_hash(np.frombuffer(word, np.uint8), 0, len(word))) & mask
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = number
    return table


@numba.njit(cache=True, inline="always")
def _fnv(state: np.uint32, byte: np.uint8) -> np.uint32:
    # FNV-1a with fastText's sign extension of bytes, which its models are trained with.
    extended = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32((state ^ extended) * _FNV_PRIME)


@numba.njit(cache=True)
def _hash(data: Bytes, start: int, stop: int) -> np.uint32:
    state = _FNV_OFFSET
    for at in range(start, stop):
        state = _fnv(state, data[at])
    return state


@numba.njit(cache=True, inline="always")
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


@numba.njit(cache=True)
def _same(data: Bytes, start: int, stop: int, other: Bytes, begin: int, end: int) -> bool:
    if stop - start != end - begin:
        return False
    for at in range(stop - start):  # noqa: SIM110 a kernel
        if data[start + at] != other[begin + at]:
            return False
    return True


@numba.njit(cache=True)
def _embed(data, starts, stops, rows, words, offsets, table, grams, minn, maxn, word_ngrams, bucket, hidden, counts):  # type: ignore[no-untyped-def]
    mask = len(table) - 1
    known = len(offsets) - 1
    eos = np.frombuffer(_EOS, np.uint8)
    marker = np.frombuffer(_LABEL, np.uint8)
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
                state = _hash(eos, 0, len(eos))
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


@numba.njit(cache=True)
def _sum(rows, found, count, total):  # type: ignore[no-untyped-def]
    for at in range(count):
        row = np.uint64(found[at])
        for d in range(rows.shape[1]):
            total[d] += rows[row, d]


@numba.njit(cache=True)
def _characters(word, size, grams, minn, maxn, bucket, found, held):  # type: ignore[no-untyped-def]
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


@numba.njit(cache=True)
def _descend(hidden, counts, output, children, label, probability):  # type: ignore[no-untyped-def]
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
