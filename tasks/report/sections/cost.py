"""What serving the model takes: quality against latency and size."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.scatter import Point, scatter
from tasks.report.charts.svg import DRAWN
from tasks.report.material import Absent, Material
from tasks.report.wording import bounds, milliseconds, size
from tasks.runtime.units import SCORES


def build(material: Material) -> dict[str, Any]:
    evaluation = material.node("evaluate")
    metrics, measured = evaluation.metrics, evaluation.execution.measured
    rows = [
        row
        | {
            "main": row[metrics["metric"]],
            "latency": measured[f"latency_ms.{row['rung']}"],
            "speedup": measured.get(f"speedup.{row['rung']}"),
            "rate": measured.get(f"documents_per_second.{row['rung']}"),
            "candidate": row["rung"] == material.rung["rung"],
        }
        for row in metrics["rungs"]
        if row["size_bytes"] and f"latency_ms.{row['rung']}" in measured
    ]
    if not rows:
        raise Absent("No latency was measured in this evaluation.")
    name = SCORES[metrics["metric"]]
    points = [
        Point(
            f"{row['title']}, {size(row['size_bytes'])}",
            row["latency"],
            row["main"]["value"],
            row["main"]["low"],
            row["main"]["high"],
            row["size_bytes"],
            row["candidate"],
        )
        for row in rows
    ]
    said = "; ".join(
        f"{row['title']}: {milliseconds(row['latency'])}, {size(row['size_bytes'])}, {name} {row['main']['value']:.2f} "
        f"({bounds(row['main'])})"
        for row in rows
    )
    plots = {
        kind: scatter(
            f"cost-{kind}",
            points,
            width=width,
            height=height,
            axes=("milliseconds for one text (each doubling is a step of the same width)", name)
            if kind == "wide"
            else ("milliseconds for one text", name),
            title=f"{name} against the time for one text; the area of a disc is the size of the model",
            description=said,
        )
        for (kind, width), height in zip(DRAWN.items(), (320, 300), strict=True)
    }
    efficiency = evaluation.manifest.config.get("efficiency", {})
    return {"rows": rows, "plots": plots, "name": name, "efficiency": efficiency, "first": rows[0], "last": rows[-1]}
