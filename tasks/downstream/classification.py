"""Single-text classification: what the data look like, how it is scored, how scores become labels.

Shapes: N texts, C classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.runtime.artifact import LabelledData

SplitName = Literal["train", "validation", "test"]

PREDICTIONS = pa.schema([("id", pa.string()), ("label", pa.int64()), ("probs", pa.list_(pa.float32()))])


@dataclass(frozen=True)
class LabelledSplit:
    """One split of labelled data, in its stored order."""

    ids: list[str]
    texts: list[str]
    labels: NDArray[np.int64]
    """(N,), indices into the label names."""
    groups: NDArray[np.int64]
    """(N,), the number of each text's group of near-duplicates."""

    def __len__(self) -> int:
        return len(self.ids)


def load_split(data: LabelledData, name: SplitName) -> LabelledSplit:
    """Read one split; the files of the others are not opened."""
    split = datasets.load_from_disk(str(data.path / "data" / name))
    return LabelledSplit(
        ids=list(split["id"]),
        texts=list(split["text"]),
        labels=np.asarray(split["label"], dtype=np.int64),
        groups=np.asarray(split["group"], dtype=np.int64),
    )


def label_names(data: LabelledData) -> tuple[str, ...]:
    """The C class names; a label is an index into them."""
    return tuple(json.loads((data.path / "labels.json").read_text(encoding="utf-8")))


def softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Probabilities (N, C) of logits (N, C)."""
    exponent = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (exponent / exponent.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def decode(probabilities: NDArray[Any], names: tuple[str, ...]) -> list[tuple[str, float]]:
    """The most probable label of each text and its probability; the first of equals."""
    best = probabilities.argmax(axis=1)
    return [(names[index], float(row[index])) for index, row in zip(best, probabilities, strict=True)]


def accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return float((labels == predicted).mean())


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The unweighted mean F1 of the classes that occur among labels or predictions."""
    size = int(max(labels.max(), predicted.max())) + 1
    both, hits = _counts(labels, predicted, size)
    return float((2 * hits / np.maximum(both, 1))[both > 0].mean())


def per_class(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Of each class: precision, recall, F1 (0 where there is nothing to divide by) and its number of texts."""
    size = len(names)
    both, hits = _counts(labels, predicted, size)
    support = np.bincount(labels, minlength=size)
    called = both - support
    return {
        name: {
            "precision": float(hits[index] / max(called[index], 1)),
            "recall": float(hits[index] / max(support[index], 1)),
            "f1": float(2 * hits[index] / max(both[index], 1)),
            "support": int(support[index]),
        }
        for index, name in enumerate(names)
    }


def write_predictions(path: Path, split: LabelledSplit, probabilities: NDArray[np.float32]) -> None:
    """Write id, label (index) and probabilities of every text of a split, in its order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"id": split.ids, "label": split.labels, "probs": list(probabilities.astype(np.float32))}
    pq.write_table(pa.table(columns, schema=PREDICTIONS), path)


def _counts(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each class: texts that have it plus texts that were given it, and texts where both agree."""
    both = np.bincount(labels, minlength=size) + np.bincount(predicted, minlength=size)
    return both, np.bincount(labels[labels == predicted], minlength=size)
