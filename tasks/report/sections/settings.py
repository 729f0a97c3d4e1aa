"""Every setting of the run, and whether it is a default, the preset's, or was written by a person."""

from __future__ import annotations

import json
from typing import Any

from pipeline_config.load import leaves, preset_names
from tasks.report.material import Absent, Material
from tasks.runtime.artifact import LINEAGE

CURATION = ("clean", "measure")
"""Nodes that keep state from one version of the corpus to the next."""


def build(material: Material) -> dict[str, Any]:
    record = material.record
    config = record.config or {node.name: node.manifest.config for node in material.nodes.values()}
    if not config:
        raise Absent("The settings of this run were not recorded, and none of its artifacts is there.")
    presets = {f"{name}.yaml" for name in preset_names()}
    groups: dict[str, list[dict[str, str]]] = {}
    for place, value in leaves(config):
        name = ".".join(map(str, place))
        origin = record.written.get(name, "") or _inherited(record.written, name)
        file = origin.partition(",")[0]
        kind = "default" if not origin else "preset" if file in presets and file != record.config_file else "yours"
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        entry = {"name": name.partition(".")[2] or name, "value": shown[:400] + "…" * (len(shown) > 400)}
        groups.setdefault(str(place[0]), []).append(entry | {"origin": origin, "kind": kind})
    entries = [entry for group in groups.values() for entry in group]
    return {
        "groups": groups,
        "known": bool(record.config),
        "continued": any(_continues(node.metrics) for name, node in material.nodes.items() if name in CURATION),
        "yours": [
            entry | {"name": f"{group}.{entry['name']}"}
            for group, listed in groups.items()
            for entry in listed
            if entry["kind"] == "yours"
        ],
        "numbers": {kind: sum(entry["kind"] == kind for entry in entries) for kind in ("default", "preset", "yours")},
        "presets": sorted({entry["origin"].partition(",")[0] for entry in entries if entry["kind"] == "preset"}),
    }


def _continues(metrics: dict[str, Any]) -> bool:
    """Whether an artifact goes on with what an earlier version of the corpus was fitted to."""
    return bool(metrics.get(LINEAGE, {}).get("fitted_in"))


def _inherited(written: dict[str, str], name: str) -> str:
    """A value that was written for a whole section or list counts for what is in it."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in written:
            return written[name]
    return ""
