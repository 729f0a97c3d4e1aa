"""From predictions to the rows of the ladder: scores, gains and paired differences with intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.evaluation import EvaluateConfig
from tasks.downstream.classification import LabelledSplit
from tasks.downstream.intervals import METRICS, Bootstrap
from tasks.evaluation.ladder import Rung

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.int64()),
        ("label", pa.int64()),
        ("predicted", pa.int64()),
        ("probs", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Prediction:
    """What one model says of the test texts."""

    predicted: NDArray[np.int64]
    """(N,) classes."""
    probabilities: NDArray[np.float32] | None = None
    """(N, C); None where the model gives none."""
    seed: str = ""
    """Its suffix (`s43`); empty for the first seed."""
    size_bytes: int | None = None
    """Of its weights."""


@dataclass(frozen=True)
class Judged:
    rung: Rung
    seeds: tuple[Prediction, ...]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(S, N)."""
        return np.stack([one.predicted for one in self.seeds])


def judge(judged: Iterable[Judged], bootstrap: Bootstrap, config: EvaluateConfig) -> dict[str, Any]:
    """`rungs`, `paired` and `agreement` of the metrics (see the stage)."""
    known = {one.rung.name: one for one in judged}
    rows: list[dict[str, Any]] = []
    paired: dict[str, Any] = {}
    agreement: dict[str, Any] = {}
    for one in known.values():
        rung, predicted = one.rung, one.predicted
        gain = None
        against = next((name for name in rung.over if name in known), None)
        if against is not None:
            found = bootstrap.difference(predicted, known[against].predicted, config.metric)
            gain = {**found.as_dict(), "against": against}
        rows.append(
            {
                "rung": rung.name,
                "title": rung.title,
                "node": rung.node,
                "cost": rung.cost,
                "variant": rung.variant,
                "parent": rung.parent if rung.parent in known else "",
                "seeds": len(one.seeds),
                **{metric: bootstrap.interval(predicted, metric).as_dict() for metric in METRICS},
                "gain": gain,
                "size_bytes": one.seeds[0].size_bytes,
            }
        )
        if not rung.variant:
            continue
        for other in ("majority", "tfidf", rung.parent):
            if other in known:
                paired[f"{rung.name}-vs-{other}"] = {
                    metric: bootstrap.difference(predicted, known[other].predicted, metric).as_dict()
                    for metric in METRICS
                }
        if rung.node == "compress" and rung.parent in known:
            found = bootstrap.agreement(predicted[0], known[rung.parent].predicted[0])
            agreement[rung.name] = {**found.as_dict(), "parent": rung.parent}
    return {"rungs": rows, "paired": paired, "agreement": agreement}


def test_digest(split: LabelledSplit, names: tuple[str, ...]) -> str:
    """SHA-256 over the sorted (id, label name) pairs: the same test set is the same digest, in whatever order."""
    pairs = sorted((one, names[label]) for one, label in zip(split.ids, split.labels.tolist(), strict=True))
    return hashlib.sha256(json.dumps(pairs, ensure_ascii=False).encode()).hexdigest()


def write_predictions(folder: Path, split: LabelledSplit, judged: Iterable[Judged]) -> None:
    """One Parquet file a rung (`base.s43.parquet` for further seeds), in the order of the split."""
    folder.mkdir()
    for one in judged:
        for seed in one.seeds:
            probs = None if seed.probabilities is None else list(seed.probabilities)
            columns: Mapping[str, Any] = {
                "id": split.ids,
                "group": split.groups,
                "label": split.labels,
                "predicted": seed.predicted,
                "probs": probs if probs is not None else [None] * len(split),
            }
            name = f"{one.rung.name}.{seed.seed}" if seed.seed else one.rung.name
            pq.write_table(pa.table(columns, schema=PREDICTIONS), folder / f"{name}.parquet")
