"""Perplexity in bits per byte, under a byte n-gram model with hierarchical Dirichlet smoothing.

p_n(w | h) = (c(hw) + k·p_{n−1}(w | h′)) / (c(h) + k), p_0 = 1/256 (MacKay & Peto 1995), h′ = h without its first byte.
Bytes know no unknown word, so a new term is dear but never a cliff. Counts of n ≥ 3 lie in hashed tables: two n-grams
may share a slot, which makes rare ones a little too probable.

Nobody is scored by a model that saw him: the distinct texts fall into two halves by `text_digest`, a model is trained
on a sample of each and scores the other half. Near-duplicates may stand in both halves; low figures show boilerplate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_config.measure import PerplexityConfig
from tasks.dedup.shingles import mix

_SLOT_BITS = 23
_CHUNK = 1 << 20  # bytes at a time


class ByteModel:
    """Counts of byte n-grams, n = 1 … order."""

    def __init__(self, config: PerplexityConfig) -> None:
        self._config = config
        bits = [min(8 * n, _SLOT_BITS) for n in range(1, config.order + 1)]
        self._counts = [np.zeros(1 << width, np.uint32) for width in bits]

    def add(self, texts: Sequence[bytes]) -> None:
        """Count the n-grams of texts."""
        for data, offsets in self._chunks(texts):
            within = np.arange(len(data)) - np.repeat(offsets[:-1], np.diff(offsets))
            for n, window in enumerate(self._windows(data)):
                own = window[within >= n]  # not those that begin in the text before
                slots, counts = np.unique(self._slots(own, n), return_counts=True)
                self._counts[n][slots] += counts.astype(np.uint32)

    def bits(self, texts: Sequence[bytes]) -> NDArray[np.float64]:
        """Bits that the model needs for each text. (N,)"""
        k = self._config.pseudo_count
        parts = [np.zeros(0)]
        for data, offsets in self._chunks(texts):
            probability = np.full(len(data), 1 / 256)
            context = np.full(len(data), float(self._counts[0].sum()))
            for n, window in enumerate(self._windows(data)):
                count = self._counts[n][self._slots(window, n)].astype(np.float64)
                probability = (np.minimum(count, context) + k * probability) / (context + k)
                context = np.concatenate(([0.0], count[:-1]))  # the n-gram one byte before is the next context
            spans = np.stack((offsets[:-1] + self._pad, offsets[1:]), axis=1)  # a text without its padding
            sums = np.add.reduceat(np.append(-np.log2(probability), 0.0), spans.ravel())[::2]
            parts.append(np.where(spans[:, 0] < spans[:, 1], sums, 0.0))
        return np.concatenate(parts)

    @property
    def _pad(self) -> int:
        return self._config.order - 1

    def _chunks(self, texts: Sequence[bytes]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        """Texts joined, each behind zero bytes that stand for its beginning, and where each begins with them."""
        start = 0
        while start < len(texts):
            stop, size = start, 0
            while stop < len(texts) and (stop == start or size < _CHUNK):
                size += len(texts[stop]) + self._pad
                stop += 1
            padding = bytes(self._pad)
            joined = b"".join(padding + text for text in texts[start:stop])
            offsets = np.cumsum([0, *(len(text) + self._pad for text in texts[start:stop])])
            yield np.frombuffer(joined, np.uint8).astype(np.uint64), offsets
            start = stop

    def _windows(self, data: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
        """For n = 1 … order the n bytes that end at each place, as one number."""
        window = data.copy()
        yield window
        for n in range(1, self._config.order):
            window = window.copy()
            window[n:] |= data[:-n] << np.uint64(8 * n)
            yield window

    def _slots(self, window: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
        if 8 * (n + 1) <= _SLOT_BITS:
            return window.astype(np.int64)
        return (mix(window) >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)


def halves(digests: Sequence[bytes]) -> NDArray[np.int64]:
    """The half, 0 or 1, that each text belongs to."""
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)[:, 0].astype(np.int64) & 1


def sampled(digests: Sequence[bytes], sizes: Sequence[int], limit: int) -> set[bytes]:
    """The texts that the models are trained on: of each half the distinct ones of lowest digest, up to `limit` bytes.

    The first bit of the digest chooses the half, so the order within a half is as good as random.
    """
    chosen: set[bytes] = set()
    left = [limit, limit]
    for digest, size in sorted(set(zip(digests, sizes, strict=True))):
        half = digest[0] & 1
        if size <= left[half]:
            chosen.add(digest)
            left[half] -= size
    return chosen


def train(
    config: PerplexityConfig, batches: Iterator[pa.RecordBatch], sample: set[bytes]
) -> tuple[ByteModel, ByteModel]:
    """A model of each half of the sampled texts; batches have the columns `text_digest` and `text`."""
    models = ByteModel(config), ByteModel(config)
    seen: set[bytes] = set()
    for batch in batches:
        parts: tuple[list[bytes], list[bytes]] = ([], [])
        for digest, text in zip(batch["text_digest"].to_pylist(), batch["text"], strict=True):
            if digest in sample and digest not in seen:
                seen.add(digest)
                parts[digest[0] & 1].append(text.as_py().encode())
        for model, part in zip(models, parts, strict=True):
            model.add(part)
    return models


def measure(
    models: tuple[ByteModel, ByteModel], texts: Sequence[str], digests: Sequence[bytes]
) -> dict[str, NDArray[np.float64]]:
    """Column `bits_per_byte` of texts: each by the model of the other half. An empty text has 0."""
    data = [text.encode() for text in texts]
    half = halves(digests) if digests else np.zeros(0, np.int64)
    result = np.zeros(len(texts))
    for own, model in ((0, models[1]), (1, models[0])):
        mine = np.flatnonzero(half == own)
        sizes = np.array([max(len(data[i]), 1) for i in mine])
        result[mine] = (model.bits([data[i] for i in mine]) / sizes).round(6)
    return {"bits_per_byte": result}
