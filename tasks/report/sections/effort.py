"""What the run took: time, processor, memory and disk, node by node."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.bar import bar
from tasks.report.material import Absent, Material


def build(material: Material) -> dict[str, Any]:
    nodes = list(material.nodes.values())
    if not nodes:
        raise Absent("No artifact of this run is there.")
    most = {
        "seconds": max(node.execution.seconds for node in nodes) or 1.0,
        "memory": max(node.execution.memory_bytes for node in nodes) or 1,
    }
    rows: list[dict[str, Any]] = [
        {
            "name": node.name,
            "action": node.record.action,
            "seconds": node.execution.seconds,
            "cpu": node.execution.cpu_seconds,
            "memory": node.execution.memory_bytes,
            "disk": node.execution.disk_bytes,
            "time_bar": bar([(node.execution.seconds / most["seconds"], "keep")]),
            "memory_bar": bar([(node.execution.memory_bytes / most["memory"], "keep")]),
        }
        for node in nodes
    ]
    return {
        "rows": rows,
        "total": {name: sum(row[name] for row in rows) for name in ("seconds", "cpu", "disk")},
        "memory": max(row["memory"] for row in rows),
        "longest": max(rows, key=lambda row: row["seconds"]),
        "hosts": sorted({node.execution.host for node in nodes if node.execution.host}),
    }
