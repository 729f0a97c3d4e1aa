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

import numpy as np
from numpy.typing import NDArray

from tasks.curation.measures.fasttext_pass import LABEL, Bytes, Offsets, descend, embed, hash_of

_MAGIC, _VERSION = 793712314, 12
_HIERARCHICAL, _SOFTMAX = 1, 3  # `loss_name` of fastText


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
        words = self.words, self.offsets, self.table
        embed(data, starts, stops, self.rows, *words, self.grams, *self.sizes, hidden, counts)
        return hidden, counts

    def classify(
        self, hidden: NDArray[np.float32], counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Label and probability of texts whose rows sum to `hidden`."""
        label = np.full(len(counts), -1, np.int64)
        probability = np.zeros(len(counts), np.float32)
        if len(self.children):
            descend(hidden, counts, self.output, self.children, label, probability)
        else:
            scores = self.probabilities(hidden, counts)
            label = np.where(counts > 0, scores.argmax(axis=1), -1)
            highest = scores.max(axis=1) + 1e-5  # as fastText
            probability = np.where(counts > 0, highest, 0.0).astype(np.float32)
        return label, np.minimum(probability, np.float32(1))

    def probabilities(self, hidden: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of all labels, (N, L), of a plain softmax; where nothing tells they are equal."""
        # In double precision, so that what is rounded afterwards is the same on every machine.
        mean = hidden.astype(np.float64) / np.maximum(counts, 1)[:, None]
        scores = np.einsum("nd,ld->nl", mean, self.output.astype(np.float64), optimize=False)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
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
        labels=tuple(label.decode().removeprefix(LABEL.decode()) for label in labels),
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
        slot = int(hash_of(np.frombuffer(word, np.uint8), 0, len(word))) & mask
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = number
    return table
