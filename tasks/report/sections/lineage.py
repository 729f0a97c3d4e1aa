"""What was made from what, back to the files that came in."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.graph import Box, graph
from tasks.report.material import Absent, Material

FILES = "files:"


def build(material: Material) -> dict[str, Any]:
    nodes = material.nodes
    if not nodes:
        raise Absent("No artifact of this run is there.")
    edges: dict[str, list[str]] = {}
    files: dict[str, int] = {}
    for node in nodes.values():
        sources = list(dict.fromkeys(record.node for record in node.manifest.inputs.values()))
        edges[node.name] = sources
        files |= {
            record.node: len(record.files) for record in node.manifest.inputs.values() if record.node.startswith(FILES)
        }
    boxes = [Box(name, f"{number} file{'' if number == 1 else 's'}", "file") for name, number in files.items()]
    boxes += [Box(node.name, node.manifest.kind, node.record.action) for node in nodes.values()]
    named = {name: _shown(name) for name in [*files, *nodes]}
    boxes = [Box(named[box.name], box.note, box.kind) for box in boxes]
    made = {named[name]: [named[source] for source in sources if source in named] for name, sources in edges.items()}
    said = "; ".join(f"{name} was made from {', '.join(sources)}" for name, sources in made.items() if sources)
    drawing = graph("lineage", boxes, made, title="What was made from what", description=said)
    rows = [
        {
            "name": node.name,
            "kind": node.manifest.kind,
            "action": node.record.action,
            "reason": node.record.reason,
            "sources": made[node.name],
            "fingerprint": node.manifest.fingerprint,
            "digest": node.manifest.digest,
            "compared": node.record.compared,
        }
        for node in nodes.values()
    ]
    gone = [name for name in material.record.nodes if name not in nodes]
    return {"drawing": drawing, "rows": rows, "gone": gone}


def _shown(name: str) -> str:
    """Of files the source that they were given for, or the model that they are."""
    if not name.startswith(FILES):
        return name
    _, dot, part = name.removeprefix(FILES).rpartition(".")
    return f"{part} files" if dot else part
