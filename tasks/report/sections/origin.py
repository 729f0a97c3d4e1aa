"""Versions of what computed, licences of what was read, digests of every input."""

from __future__ import annotations

from typing import Any

from tasks.report.material import Absent, Material

MOST_FILES = 15


def _sources(material: Material) -> list[dict[str, Any]]:
    """Each configured source with its licence and what was read of it; the licence is that of the run's own config."""
    found = []
    for part, config in material.record.config.get("ingest", {}).items():
        node = material.nodes.get(f"ingest.{part}")
        accounts = node.manifest.metrics.get("sources", {}) if node else {}
        for source in (config or {}).get("sources", ()):
            account = accounts.get(source["name"], {})
            found.append(
                {
                    "name": source["name"],
                    "part": part,
                    "licence": source.get("licence", ""),
                    "documents": account.get("documents_kept"),
                    "bytes": account.get("bytes_kept"),
                }
            )
    return found


def build(material: Material) -> dict[str, Any]:
    nodes = list(material.nodes.values())
    if not nodes:
        raise Absent("No artifact of this run is there.")
    versions: dict[str, dict[str, list[str]]] = {}
    for node in nodes:
        for name, version in node.execution.versions.items():
            versions.setdefault(name, {}).setdefault(version, []).append(node.name)
    inputs: dict[str, dict[str, Any]] = {}
    for node in nodes:
        for record in node.manifest.inputs.values():
            if record.files:
                entry = inputs.setdefault(record.node, {"digest": record.digest, "files": record.files, "used": []})
                entry["used"].append(node.name)
    return {
        "versions": versions,
        "mixed": [name for name, found in versions.items() if len(found) > 1],
        "licence": material.record.config.get("promotion", {}).get("data_licence", ""),
        "sources": _sources(material),
        "recorded": bool(material.record.config),
        "inputs": [
            entry
            | {
                "name": name.removeprefix("files:"),
                "shown": list(entry["files"].items())[:MOST_FILES],
                "more": max(0, len(entry["files"]) - MOST_FILES),
            }
            for name, entry in inputs.items()
        ],
    }
