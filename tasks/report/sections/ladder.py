"""What each step was worth: the value ladder, as a plot and a table."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.intervals import Row, intervals
from tasks.report.charts.svg import DRAWN
from tasks.report.material import Material
from tasks.report.wording import bounds, signed, signed_bounds
from tasks.runtime.units import SCORES


def build(material: Material) -> dict[str, Any]:
    evaluation = material.node("evaluate")
    metrics, measured = evaluation.metrics, evaluation.execution.measured
    main = metrics["metric"]
    other = "accuracy" if main == "macro_f1" else "macro_f1"
    titles = {row["rung"]: row["title"] for row in metrics["rungs"]}
    rows, plotted = [], []
    for row in metrics["rungs"]:
        node = material.nodes.get(row["cost"])
        cpu = node.execution.cpu_seconds if node else measured.get(f"cpu_seconds.{row['rung']}")
        candidate = row is material.rung or row["rung"] == material.rung["rung"]
        rows.append(
            row
            | {
                "main": row[main],
                "other": row[other],
                "against": titles.get(row["gain"]["against"], "") if row["gain"] else "",
                "verdict": _verdict(row["gain"]),
                "cpu_seconds": cpu,
                "latency": measured.get(f"latency_ms.{row['rung']}"),
                "candidate": candidate,
            }
        )
        score = row[main]
        plotted.append(
            Row(
                row["title"],
                score["value"],
                score["low"],
                score["high"],
                f"{score['value']:.2f} ({bounds(score)})",
                strong=candidate,
            )
        )
    name = SCORES[main]
    best = max(metrics["rungs"], key=lambda row: row[main]["value"])
    description = "; ".join(f"{row.label}: {row.note}" for row in plotted)
    plots = {
        kind: intervals(
            f"ladder-{kind}",
            plotted,
            width=width,
            low=0.0,
            high=1.0,
            zero=None,
            axis=f"{name} (0 = worst, 1 = best)",
            title=f"{name} of every step, with intervals",
            description=description,
        )
        for kind, width in DRAWN.items()
    }
    return {
        "plots": plots,
        "rows": rows,
        "name": name,
        "other": SCORES[other],
        "best": best,
        "best_score": best[main],
        "metrics": metrics,
        "judged": material.record.judged,
        "better": [row["title"] for row in rows if row["verdict"] == "better"],
        "worse": [row["title"] for row in rows if row["verdict"] == "worse"],
        "forgetting": _forgetting(metrics["forgetting"]),
    }


def _verdict(gain: dict[str, float] | None) -> str:
    """What a gain's interval allows to conclude."""
    if gain is None:
        return ""
    if gain["low"] > 0:
        return "better"
    return "worse" if gain["high"] < 0 else "not certain"


def _forgetting(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if "skipped" in found:
        return f"Whether adapting cost the model its general English was not measured: {found['skipped']}."
    change = found["difference"]
    said = "more" if change["low"] > 0 else "no more" if change["high"] < 0 else "nothing certain"
    verdict = {
        "more": "The adapted model has forgotten some of its general English",
        "no more": "The adapted model has forgotten none of its general English",
        "nothing certain": "Whether the adapted model has forgotten general English cannot be told from so few texts",
    }[said]
    before, after = (f"{found[name]['value']:.2f}" for name in ("before", "after"))
    return (
        f"{verdict}: its loss on general text went from {before} to {after} (change {signed(change['value'], 2)}, "
        f"interval {signed_bounds(change, 2)}, in {found['unit']}; guessing words by how frequent they are gives "
        f"{found['frequencies']:.2f})."
    )
