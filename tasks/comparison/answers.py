"""Two models on one test set: the difference of their scores, and the documents that they judge differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tasks.downstream.intervals import Bootstrap, Interval, Metric

Turn = Literal["right to wrong", "wrong to right", "wrong to wrong"]
TURNS: tuple[Turn, ...] = ("right to wrong", "wrong to right", "wrong to wrong")


@dataclass(frozen=True)
class Answers:
    """What a model said of the N documents of a test set, in order of their ids."""

    ids: tuple[str, ...]
    groups: np.ndarray[Any, Any]
    """(N,)"""
    labels: tuple[str, ...]
    """(N,) names of the true classes."""
    predicted: tuple[tuple[str, ...], ...]
    """(S, N) names of the predicted classes, the first seed first."""

    @staticmethod
    def of(tables: Sequence[pa.Table], names: Sequence[str]) -> Answers:
        """From a table (id, group, label, predicted) a seed; a label is an index into `names`."""
        sorted_tables = [table.sort_by("id") for table in tables]
        first = sorted_tables[0]
        return Answers(
            ids=tuple(first["id"].to_pylist()),
            groups=first["group"].to_numpy(),
            labels=_named(first["label"], names),
            predicted=tuple(_named(table["predicted"], names) for table in sorted_tables),
        )


@dataclass(frozen=True)
class Flip:
    """A document that two models gave different labels."""

    id: str
    turn: Turn
    label: str
    a: str
    b: str


def same_documents(a: Answers, b: Answers) -> bool:
    return (a.ids, a.labels) == (b.ids, b.labels)


def score_difference(
    a: Answers, b: Answers, metric: Metric, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Score of `b` minus that of `a`, with its paired interval. Both have the same documents."""
    names = sorted({*a.labels, *(name for side in (a, b) for row in side.predicted for name in row)})
    index = {name: number for number, name in enumerate(names)}

    def numbers(rows: Sequence[Sequence[str]]) -> np.ndarray[Any, Any]:
        return np.array([[index[name] for name in row] for row in rows])

    bootstrap = Bootstrap.of(
        labels=numbers([a.labels])[0],
        groups=a.groups,
        classes=len(names),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return bootstrap.difference(numbers(b.predicted), numbers(a.predicted), metric)


def flips(a: Answers, b: Answers) -> list[Flip]:
    """The documents that the first seeds of the two judge differently, by turn, then by id."""
    found = [
        Flip(document, _turn(label, one, other), label, one, other)
        for document, label, one, other in zip(a.ids, a.labels, a.predicted[0], b.predicted[0], strict=True)
        if one != other
    ]
    return sorted(found, key=lambda flip: (TURNS.index(flip.turn), flip.id))


def _turn(label: str, a: str, b: str) -> Turn:
    if a == label:
        return "right to wrong"
    return "wrong to right" if b == label else "wrong to wrong"


def _named(column: pa.ChunkedArray, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[index] if index < len(names) else f"class {index}" for index in column.to_pylist())
