"""From an evaluation to the figures that the gates ask for, in a form that a registered version keeps for good.

`Measured` lies in a version as `figures.json` and `predictions.parquet` (id, label, predicted, group), so that it is
judged again, and compared with a later version, without any artifact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.downstream.intervals import paired_difference
from tasks.promotion.gates import Champion, Figures, Interval
from tasks.runtime.artifact import Evaluation

Metric = Literal["macro_f1", "accuracy"]
METRICS: tuple[Metric, ...] = ("macro_f1", "accuracy")
MAJORITY, TFIDF, PARENT = "majority", "tfidf", "parent"
FIGURES, PREDICTIONS = "figures.json", "predictions.parquet"

Bounds = Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """What an evaluation says of one variant."""

    variant: str
    evaluation: str
    """Digest of the evaluation."""
    test_digest: str
    bootstrap: Mapping[str, Any]
    """`resamples`, `confidence` and `seed` of the intervals."""
    scores: Mapping[str, Bounds]
    """By metric: value, low, high."""
    differences: Mapping[str, Mapping[str, Bounds]]
    """By metric, then `majority`, `tfidf` or `parent`: value, low, high. What was not judged is left out."""
    parent: str
    """The rung that the variant was made from; empty if there is none."""
    agreement: float | None
    """Share of test documents on which the variant and its parent give the same label."""
    predictions: pa.Table

    def write(self, folder: Path) -> None:
        figures = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "predictions"}
        (folder / FIGURES).write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        pq.write_table(self.predictions, folder / PREDICTIONS)

    @staticmethod
    def read(folder: Path) -> Measured | None:
        """None where nothing, or half of it, was stored."""
        try:
            stored = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
            return Measured(**stored, predictions=pq.read_table(folder / PREDICTIONS))
        except (OSError, ValueError, TypeError):  # pyarrow's own errors are among these
            return None


def measure(evaluation: Evaluation, variant: str) -> Measured | None:
    """The figures of `variant`; None if the ladder has no such rung."""
    metrics, config = evaluation.metrics, evaluation.config
    rows = {row["rung"]: row for row in metrics["rungs"]}
    row = next((row for row in rows.values() if row["variant"] == variant), None)
    if row is None:
        return None
    bootstrap = {name: config[name] for name in ("resamples", "confidence", "seed")}
    own = _predictions(evaluation, row["rung"])
    against = {MAJORITY: MAJORITY, TFIDF: TFIDF, PARENT: row["parent"]}
    differences: dict[str, dict[str, Bounds]] = {metric: {} for metric in METRICS}
    for name, rung in against.items():
        if rung not in rows:
            continue
        if row["seeds"] == rows[rung]["seeds"] == 1:
            found = metrics["paired"].get(f"{row['rung']}-vs-{rung}", {})
        else:  # the ladder tells means over seeds, a version is one of them: the first
            other = _predictions(evaluation, rung)
            found = {metric: difference(own, other, metric, bootstrap) for metric in METRICS}
        for metric in METRICS:
            if found.get(metric):
                differences[metric][name] = found[metric]
    agreement = metrics["agreement"].get(row["rung"])
    return Measured(
        variant=variant,
        evaluation=evaluation.digest,
        test_digest=metrics["test_digest"],
        bootstrap=bootstrap,
        scores={metric: row[metric] for metric in METRICS},
        differences=differences,
        parent=row["parent"],
        agreement=agreement["value"] if agreement else None,
        predictions=own,
    )


def figures(measured: Measured | None, metric: Metric, champion: tuple[int, Measured | None] | None) -> Figures:
    """What the gates judge. `champion`: version and figures of the model in use, if there is one."""
    if measured is None:
        return Figures("", "", None, None, "", None, None, Champion(champion[0], "", None) if champion else None)
    found = {name: Interval(**bounds) for name, bounds in measured.differences.get(metric, {}).items()}
    return Figures(
        variant=measured.variant,
        test_digest=measured.test_digest,
        above_majority=found.get(MAJORITY),
        above_tfidf=found.get(TFIDF),
        parent=measured.parent,
        against_parent=found.get(PARENT),
        agreement=measured.agreement,
        champion=_champion(measured, metric, *champion) if champion else None,
    )


def _champion(measured: Measured, metric: Metric, version: int, other: Measured | None) -> Champion:
    if other is None:
        return Champion(version, measured.test_digest, None)
    if other.test_digest != measured.test_digest:
        return Champion(version, other.test_digest, None)
    found = difference(measured.predictions, other.predictions, metric, measured.bootstrap)
    return Champion(version, other.test_digest, Interval(**found) if found else None)


def difference(own: pa.Table, other: pa.Table, metric: Metric, bootstrap: Mapping[str, Any]) -> Bounds | None:
    """Paired difference of the score, `own` minus `other`; None unless both judge the same documents."""
    own, other = own.sort_by("id"), other.sort_by("id")
    if not own["id"].equals(other["id"]) or not own["label"].equals(other["label"]):
        return None
    found = paired_difference(
        own["predicted"].to_numpy(),
        other["predicted"].to_numpy(),
        labels=own["label"].to_numpy(),
        groups=own["group"].to_numpy(),
        metric=metric,
        **bootstrap,
    )
    return {"value": found.value, "low": found.low, "high": found.high}


def test_rows(labels: Path, *columns: str) -> pa.Table:
    """Columns of the test split. `labels`: folder of the labelled data."""
    shards = sorted((labels / "data" / "test").glob("*.arrow"))
    tables = [pa.ipc.open_stream(pa.memory_map(str(shard))).read_all().select(columns) for shard in shards]
    return pa.concat_tables(tables)


def example_text(labels: Path) -> str:
    """The beginning of a document, for the input example."""
    return str(test_rows(labels, "text")["text"][0].as_py())[:200]


def _predictions(evaluation: Evaluation, rung: str) -> pa.Table:
    file = evaluation.path / "predictions" / f"{rung}.parquet"
    return pq.read_table(file, columns=["id", "group", "label", "predicted"])
