"""May the model be used? The gates, with how far it stands from each."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.intervals import Row, intervals
from tasks.report.charts.svg import DRAWN
from tasks.report.material import Absent, Material
from tasks.report.wording import signed

REACH = 20.0
"""Hundredths on each side of the threshold that are drawn."""
MOST_ENTRIES = 20
MEANING = {
    "above majority": "It must beat always naming the most frequent label.",
    "above TF-IDF": "It must beat word counts with a linear model, which cost next to nothing.",
    "keeps its parent": "Making it smaller must not have cost much.",
    "holds against champion": "It must not be worse than what is in use.",
}
ACTIONS = {
    "promote": "put into use by Textmill",
    "reject": "rejected by a person who was asked",
    "rollback": "taken back",
    "external": "set by hand in the registry",
}


def build(material: Material) -> dict[str, Any]:
    outcome = material.record.promotion
    if outcome is None:
        raise Absent("No model was judged by the gates in this run, or its record is older than this section.")
    gates, plotted = [], []
    for gate in outcome["gates"]:
        interval = _with_interval(material, gate)
        margin = None
        if interval:
            value, low, high = (100 * (interval[edge] - gate["least"]) for edge in ("value", "low", "high"))
            margin = value if gate["needs"] != "interval > 0" else low
            kind = "dot" if gate["passed"] else "cross"
            note = ("passed" if gate["passed"] else "refused") + f", {signed(margin, 1)}"
            plotted.append(Row(gate["name"], value, low, high, note, kind, not gate["passed"]))
        meaning = MEANING.get(gate["name"], "It must give the same labels as the model it was made from.")
        gates.append(gate | {"margin": margin, "meaning": meaning})
    plots = {
        kind: intervals(
            f"gates-{kind}",
            plotted,
            width=width,
            low=-REACH,
            high=REACH,
            zero=0.0,
            axis="distance from the threshold, in hundredths",
            title="Every gate's figure and how far it stands from its threshold",
            description="; ".join(f"{row.label}: {row.note} hundredths" for row in plotted),
        )
        for kind, width in DRAWN.items()
        if plotted
    }
    return {"outcome": outcome, "gates": gates, "plots": plots, **_history(material)}


def _with_interval(material: Material, gate: dict[str, Any]) -> dict[str, float] | None:
    """The gate's figure; agreement has its interval in the evaluation alone."""
    measured: dict[str, float] | None = gate.get("measured")
    if measured and measured["low"] == measured["high"] and "evaluate" in material.nodes:
        for rung, agreement in material.nodes["evaluate"].metrics["agreement"].items():
            if agreement["value"] == measured["value"] and rung == material.rung["rung"]:
                return {edge: agreement[edge] for edge in ("value", "low", "high")}
    return measured


def _history(material: Material) -> dict[str, Any]:
    """What the ledger says of the model, and who put the one in use there."""
    entries = [
        {
            "when": str(entry.get("when", "")),
            "who": str(entry.get("who", "")),
            "action": ACTIONS.get(str(entry.get("action")), str(entry.get("action"))),
            "before": entry["from"].get("champion"),
            "after": entry["to"].get("champion"),
            "verdict": "not checked" if entry.get("action") == "external" else str(entry.get("verdict", "")),
            "reason": str(entry.get("reason", "")),
        }
        for entry in material.ledger
    ]
    return {
        "history": entries[: -MOST_ENTRIES - 1 : -1],
        "older": max(0, len(entries) - MOST_ENTRIES),
        "unchecked": material.champion if material.set_by_hand else None,
    }
