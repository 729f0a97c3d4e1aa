"""What came of the run, in one sentence, and the figures that a person asks for first."""

from __future__ import annotations

from typing import Any

from tasks.report.material import Absent, Material
from tasks.report.wording import (
    bounds,
    count,
    duration,
    listed,
    milliseconds,
    moment_text,
    percent,
    plural,
    size,
)
from tasks.runtime.units import SCORES

Standing = tuple[str, str]
"""`good`, `bad` or `open`, and the word that is stamped on the page."""

IN_USE, REFUSED, FAILED, OPEN = ("good", "in use"), ("bad", "not in use"), ("bad", "failed"), ("open", "open")
OVERRIDDEN = ("bad", "in use all the same")


def build(material: Material) -> dict[str, Any]:
    (standing, stamp), sentence = _verdict(material)
    return {
        "standing": standing,
        "stamp": stamp,
        "sentence": sentence,
        "since": _since(material),
        "tiles": _tiles(material),
    }


def _verdict(material: Material) -> tuple[Standing, str]:
    record = material.record
    if record.promotion is None:
        return _without_promotion(material)
    outcome = record.promotion
    which = f"{outcome['model']} version {outcome['version']} ({_title(material, outcome['variant'])})"
    gates = outcome["gates"]
    if outcome["promoted"] and outcome["overridden"]:
        return (
            OVERRIDDEN,
            f"{which} is in use against the advice of its gates, for this reason: {outcome['overridden']}",
        )
    if outcome["promoted"]:
        return IN_USE, f"{which} passed all {plural(len(gates), 'gate')} and is now in use."
    if outcome["champion"] == outcome["version"]:
        return IN_USE, f"{which} was in use already and stays in use; this run changed nothing."
    stays = f"version {outcome['champion']} stays in use" if outcome["champion"] else "no version is in use"
    if refused := [gate for gate in gates if not gate["passed"]]:
        why = "; it ".join(gate["note"] for gate in refused if gate["note"]) or "a gate refused it"
        return REFUSED, f"{which} was not put into use, because it {why}; {stays}."
    passed = f"{which} passed all {plural(len(gates), 'gate')}"
    if outcome.get("rejected"):
        return REFUSED, f"{passed}, but a person who was asked rejected it; {stays}."
    why = "since it was taken out of use before, it" if outcome["withdrawn"] else "it"
    return OPEN, f"{passed}; {why} waits for a person to put it into use; {stays}."


def _since(material: Material) -> str:
    """What came into use after the run, by the ledger, and whether its gates were asked; empty if there is no such."""
    if material.record.promotion is None:
        return ""
    now, then, said = material.champion, material.record.promotion["champion"], []
    which = f"version {now}" if now else "no version"
    if now != material.recorded_champion:
        said.append(f"Now {which} is in use.")
    elif now != then:
        when = moment_text(str(material.ledger[-1].get("when", "")))
        said.append(f"Since {when} {which} is in use.")
    if material.set_by_hand:
        said.append(f"Version {now} was set by hand in the registry: its gates were not checked.")
    return " ".join(said)


def _without_promotion(material: Material) -> tuple[Standing, str]:
    record = material.record
    last = list(record.nodes)[-1] if record.nodes else ""
    come = f"after {last}" if last else "before its first step was done"
    match record.status:
        case "failed":
            told = " ".join(record.error.split()) or "what went wrong was not recorded."
            return FAILED, f"This run failed {come}: {told}"
        case "stopped":
            return OPEN, f"This run was stopped {come}; what was done is kept, and the same command goes on from there."
        case "running":
            return OPEN, f"This run had not ended when this page was drawn; it had come to the point {come}."
    if "evaluate" in record.nodes:
        return OPEN, "The models of this run were judged; whether one was put into use is not in its record."
    return OPEN, f"This run ended, as it was asked to, {come}; no model was judged."


def _title(material: Material, variant: str) -> str:
    try:
        return next(str(r["title"]) for r in material.node("evaluate").metrics["rungs"] if r["variant"] == variant)
    except (Absent, StopIteration):
        return variant


def _tiles(material: Material) -> list[dict[str, str]]:
    """Label, figure, and what it is seen against."""
    nodes, tiles = material.nodes, []
    if "evaluate" in nodes:
        evaluation, rung = nodes["evaluate"], material.rung
        metrics, measured = evaluation.metrics, evaluation.execution.measured
        score = rung[metrics["metric"]]
        sure = percent(metrics["confidence"], 0)
        tiles.append(
            {
                "label": f"{SCORES[metrics['metric']]} of {rung['title']}",
                "figure": f"{score['value']:.2f}",
                "note": f"{sure} interval {bounds(score)}; {percent(rung['accuracy']['value'], 0)} of "
                f"{count(metrics['test_documents'])} test texts right",
            }
        )
        first = next(row for row in metrics["rungs"] if row["size_bytes"]) if rung["size_bytes"] else None
        if first:
            share = rung["size_bytes"] / first["size_bytes"]
            note = f"{percent(share, 0)} of {first['title']} ({size(first['size_bytes'])})" if share != 1 else ""
            tiles.append({"label": "size of the model", "figure": size(rung["size_bytes"]), "note": note})
        latency, faster = measured.get(f"latency_ms.{rung['rung']}"), measured.get(f"speedup.{rung['rung']}")
        if latency:
            note = f"one text on one thread; {faster:.1f} times as fast as the base model" if faster else ""
            tiles.append({"label": "time for one text", "figure": milliseconds(latency), "note": note})
    if "select" in nodes:
        account = nodes["select"].metrics["account"]
        came = nodes["ingest.corpus"].metrics["account"] if "ingest.corpus" in nodes else account
        kept = account["documents_kept"]
        tiles.append(
            {
                "label": "documents kept",
                "figure": count(kept),
                "note": f"of {count(came['documents_in'])} that were read; {size(account['bytes_kept'])} of text",
            }
        )
    ran = [name for name, record in material.record.nodes.items() if record.action == "ran"]
    spent = sum(material.record.nodes[name].seconds for name in ran)
    again = len(material.record.nodes) - len(ran)
    tiles.append(
        {
            "label": "time spent",
            "figure": duration(spent) if ran else f"{again} reused",
            "note": (f"{plural(len(ran), 'step')} ran" if ran else "no step had to run")
            + (f", {again} reused from before" if again and ran else "")
            + (f": {listed(ran, 3)}" if ran and again else ""),
        }
    )
    return tiles
