"""Tables and pictures of an artifact for its page in MLflow, from its manifest alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.runtime.artifact import Artifact, Corpus, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = Mapping[str, Sequence[Any]]
"""Columns by name, all of one length."""

INK, QUIET = "#1f4e79", "#8a8a8a"


def tables(artifact: Artifact) -> dict[str, Table]:
    """By file name."""
    match artifact:
        case Evaluation():
            found = {"tables/ladder.json": ladder_table(artifact.metrics)}
            if (file := artifact.path / "per_class.json").is_file():
                found["tables/per_class.json"] = _per_class(json.loads(file.read_text(encoding="utf-8")))
            return found
        case Corpus():
            return {"tables/dropped.json": _dropped(artifact.metrics)} if artifact.metrics.get("steps") else {}
        case _:
            return {}


def ladder_table(metrics: Mapping[str, Any]) -> Table:
    """The value ladder, a row a rung."""
    rungs = metrics.get("rungs", [])

    def column(name: str, key: str) -> list[float | None]:
        return [(row.get(name) or {}).get(key) for row in rungs]

    return {
        "step": [row["title"] for row in rungs],
        "rung": [row["rung"] for row in rungs],
        "variant": [row["variant"] for row in rungs],
        "macro_f1": column("macro_f1", "value"),
        "macro_f1_low": column("macro_f1", "low"),
        "macro_f1_high": column("macro_f1", "high"),
        "accuracy": column("accuracy", "value"),
        "gain": column("gain", "value"),
        "gain_against": [(row.get("gain") or {}).get("against", "") for row in rungs],
        "size_bytes": [row.get("size_bytes") for row in rungs],
    }


def _per_class(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    rows = [(rung, label, found) for rung, labels in scores.items() for label, found in labels.items()]
    columns: dict[str, list[Any]] = {"rung": [row[0] for row in rows], "label": [row[1] for row in rows]}
    return columns | {name: [row[2].get(name) for row in rows] for name in ("f1", "precision", "recall", "support")}


def _dropped(metrics: Mapping[str, Any]) -> Table:
    steps = metrics["steps"]
    return {
        "rule": [step["step"] for step in steps],
        "documents": [step["documents"] for step in steps],
        "bytes": [step["bytes"] for step in steps],
        "documents_alone": [(step.get("alone") or {}).get("documents") for step in steps],
        "report_only": [bool(step.get("report_only")) for step in steps],
    }


def pictures(artifact: Artifact, cache: Path) -> dict[str, Figure]:
    """By file name.

    Args:
        cache: folder for the drawing library's list of fonts; its own place would be the home folder.
    """
    if not isinstance(artifact, Evaluation) or not artifact.metrics.get("rungs"):
        return {}
    os.environ.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))
    return {"pictures/ladder.png": _draw_ladder(artifact.metrics["rungs"], artifact.config)}


def _draw_ladder(rungs: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure  # a second to import, and most nodes draw nothing

    metric = config["metric"]
    figure = Figure(figsize=(8, 0.9 + 0.38 * len(rungs)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rungs):
        bounds = row[metric]
        colour = INK if row["variant"] else QUIET
        axes.plot([bounds["low"], bounds["high"]], [place, place], color=colour, linewidth=2)
        axes.plot([bounds["value"]], [place], "o", color=colour, markersize=6)
        axes.annotate(
            f"{bounds['value']:.3f}", (bounds["value"], place), (0, 5), textcoords="offset points", ha="center"
        )
    axes.set_yticks(range(len(rungs)), [row["title"] for row in rungs])
    axes.invert_yaxis()
    axes.margins(y=0.08)
    axes.grid(axis="x", alpha=0.3)
    interval = f"{100 * config['confidence']:g} % interval"
    axes.set_xlabel(f"{metric.replace('_', '-')} on the test set, {interval}; dark: registered variants")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure
