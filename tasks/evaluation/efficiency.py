"""Latency and throughput on one thread, of models that take turns: what else the machine does hits them all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.modelling.classifier import TextClassifier
from tasks.modelling.onnx_session import OnnxClassifier
from tasks.modelling.threads import one_thread_each

Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], Any]
THROUGHPUT_ROUNDS = 3


def torch_forward(model: TextClassifier) -> Forward:
    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(ids), torch.from_numpy(mask)).logits

    return forward


def onnx_forward(model: OnnxClassifier) -> Forward:
    """`model` was made with `threads=1`."""
    return model.run


def time_models(
    forwards: Mapping[str, Forward],
    *,
    vocabulary: int,
    sequence_length: int,
    repetitions: int,
    batch_size: int,
) -> dict[str, float]:
    """`latency_ms.<name>`: median time of one text; `documents_per_second.<name>`: of batches, best of three rounds;
    `speedup.<name>`: latency of the first model over that of this one. Tokenization is not part of it.
    """
    rng = np.random.default_rng(0)
    one = _batch(rng, vocabulary, 1, sequence_length)
    many = _batch(rng, vocabulary, batch_size, sequence_length)
    latencies: dict[str, list[float]] = {name: [] for name in forwards}
    rounds: dict[str, list[float]] = {name: [] for name in forwards}
    with one_thread_each():
        for forward in forwards.values():  # what is only made once (buffers, plans) is not what is asked
            forward(*one)
        for _ in range(repetitions):
            for name, forward in forwards.items():
                latencies[name].append(_seconds(forward, one))
        for _ in range(THROUGHPUT_ROUNDS):
            for name, forward in forwards.items():
                rounds[name].append(_seconds(forward, many))
    median = {name: statistics.median(found) for name, found in latencies.items()}
    first = next(iter(median.values()))
    return {
        **{f"latency_ms.{name}": 1000 * seconds for name, seconds in median.items()},
        **{f"documents_per_second.{name}": batch_size / min(found) for name, found in rounds.items()},
        **{f"speedup.{name}": first / seconds for name, seconds in median.items()},
    }


def _batch(
    rng: np.random.Generator, vocabulary: int, rows: int, tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return rng.integers(vocabulary, size=(rows, tokens)), np.ones((rows, tokens), dtype=np.int64)


def _seconds(forward: Forward, batch: tuple[NDArray[np.int64], NDArray[np.int64]]) -> float:
    start = time.perf_counter()
    forward(*batch)
    return time.perf_counter() - start
