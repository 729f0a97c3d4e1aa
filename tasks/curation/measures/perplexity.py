"""Perplexity in bits per byte, under a byte n-gram model with hierarchical Dirichlet smoothing.

p_n(w | h) = (c(hw) + k·p_{n−1}(w | h′)) / (c(h) + k), p_0 = 1/256 (MacKay & Peto 1995), h′ = h without its first byte.
Bytes know no unknown word, so a new term is dear but never a cliff. Counts of n ≥ 3 lie in hashed tables: two n-grams
may share a slot, which makes rare ones a little too probable.

Nobody is scored by a model that saw him: the distinct texts fall into two halves by `text_digest`, a model is trained
on a sample of each and scores the other half. Near-duplicates may stand in both halves; low figures show boilerplate.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_config.measure import PerplexityConfig
from tasks.corpus.document import fixed_digests, iter_documents, text_sizes
from tasks.dedup.shingles import mix

ROWS = 1024  # documents at a time
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

    def save(self, path: Path) -> None:
        """As pairs (slot, count) of what was counted, in one `.npz`."""
        pairs: dict[str, NDArray[np.uint32]] = {}
        for n, counts in enumerate(self._counts):
            slots = np.flatnonzero(counts)
            pairs |= {f"slots{n}": slots.astype(np.uint32), f"counts{n}": counts[slots]}
        np.savez_compressed(path, **pairs)

    @staticmethod
    def load(config: PerplexityConfig, path: Path, tables: Path) -> ByteModel:
        """Read what `save` wrote. `tables` is a folder for the full tables, which all processes map into memory."""
        model = ByteModel(config)
        for n, counts in enumerate(model._counts):
            table = tables / f"{path.stem}-{n}.npy"
            if not table.exists():
                partial = table.with_name(f".{table.stem}-{os.getpid()}.npy")
                mapped = np.lib.format.open_memmap(partial, "w+", counts.dtype, counts.shape)
                with np.load(path, allow_pickle=False) as saved:
                    mapped[saved[f"slots{n}"]] = saved[f"counts{n}"]
                mapped.flush()
                partial.replace(table)
            model._counts[n] = np.load(table, mmap_mode="r")
        return model

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


def fit(config: PerplexityConfig, documents: Path, folder: Path) -> None:
    """Train a model of each half of the corpus on a sample of it; write them to `folder`."""
    digests, sizes = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int64)]
    for batch in iter_documents(documents, ["text_digest", "text"], ROWS):
        digests.append(fixed_digests(pa.chunked_array([batch["text_digest"]])))
        sizes.append(text_sizes(batch["text"]))
    sample = sampled(np.concatenate(digests), np.concatenate(sizes), config.sample_bytes)
    models = train(config, iter_documents(documents, ["text_digest", "text"], ROWS), sample)
    for half, model in enumerate(models):
        model.save(folder / f"perplexity-{half}.npz")


def load(config: PerplexityConfig, folder: Path, tables: Path) -> tuple[ByteModel, ByteModel]:
    """The models that `fit` wrote to `folder`; `tables` is a folder for what all processes map into memory."""
    one, other = (ByteModel.load(config, folder / f"perplexity-{half}.npz", tables) for half in range(2))
    return one, other


def sampled(digests: NDArray[np.uint64], sizes: NDArray[np.int64], limit: int) -> set[bytes]:
    """The texts that the models are trained on: of each half the distinct ones of lowest digest, up to `limit` bytes.

    The first bit of the digest chooses the half, so the order within a half is as good as random.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    repeated = np.concatenate(([False], (ordered[1:] == ordered[:-1]).all(axis=1)))[: len(order)]
    chosen: set[bytes] = set()
    left = [limit, limit]
    for at in order[~repeated].tolist():
        size, half = int(sizes[at]), int(digests[at, 0] >> np.uint64(56)) & 1
        if size <= left[half]:
            chosen.add(digests[at].astype(">u8").tobytes())
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
