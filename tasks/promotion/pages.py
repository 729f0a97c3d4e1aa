"""What the pages of MLflow's registry say, as Markdown: of a version, of a model with its ledger, of a road.

Links begin with `#/`: they hold wherever the server stands. MLflow keeps at most 5000 characters of a description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.promotion.gates import GateResult
from tasks.promotion.ledger import Aliases, Entry
from tasks.runtime.units import SCORES, signed

LIMIT = 5000
HEAD = "Made by Textmill"
GATES, LADDER, MADE_FROM, LEDGER = "Gates", "Value ladder", "Made from", "Ledger"
OURS = (GATES, LADDER, MADE_FROM, LEDGER)
NOT_ASKED = "Not a candidate so far: no gate was asked."


@dataclass(frozen=True)
class Node:
    """A node that a version was made from, nearest first."""

    name: str
    digest: str
    version: str = ""
    """`MODEL/NUMBER` of the registered copy of its artifact."""
    run: str = ""
    """MLflow's id of the run that made it."""
    card: bool = False
    """Whether that run has a `card.md`."""


def merged(earlier: str, head: str, sections: Mapping[str, str]) -> str:
    """A description with a new head and new sections; other sections, and what a person wrote above them, stand.

    Args:
        head: one paragraph with the words `Made by Textmill`.
    """
    above, found = _split(earlier)
    found |= sections
    if above.startswith("# ") and f"\n{HEAD}" in above:  # a card, as older versions had it
        above = ""
    own = [part for part in above.split("\n\n") if part and HEAD not in part]
    above = "\n\n".join([head, *own])
    text = "\n\n".join([above, *(f"## {name}\n\n{found[name]}" for name in OURS if found.get(name))])
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 2].rpartition(chr(10))[0]}\n…"


def section(description: str, name: str) -> str:
    """The text of a section; empty if there is none."""
    return _split(description)[1].get(name, "")


def _split(description: str) -> tuple[str, dict[str, str]]:
    above, current = [], ""
    found: dict[str, list[str]] = {}
    for line in description.splitlines():
        title = line.removeprefix("## ") if line.startswith("## ") else ""
        if title in OURS:
            current = title
            found[current] = []
        elif current:
            found[current].append(line)
        else:
            above.append(line)
    return "\n".join(above).strip(), {name: "\n".join(lines).strip() for name, lines in found.items()}


def gates_section(verdict: str, gates: Iterable[GateResult], reason: str = "") -> str:
    """`verdict`: `passed`, `refused` or `overridden`."""
    rows = [(g.name, g.needs, g.has, _outcome(g), g.note) for g in gates]
    refused = [row[0] for row in rows if row[3] == "refused"]
    said = f"All {len(rows)} gates passed." if not refused else f"Refused by: {', '.join(refused)}."
    if verdict == "overridden":
        said = f"Promoted against its gates. {said} Reason: {escaped(reason)}"
    return "\n".join([said, "", *table(("gate", "needs", "has", "verdict", "note"), rows)])


def gate_tags(verdict: str, gates: Iterable[GateResult]) -> dict[str, str]:
    """`gates` for the whole; of each gate its outcome and the figure, to search for."""
    tags = {"gates": verdict}
    for gate in gates:
        tags[f"gate.{slug(gate.name)}"] = _outcome(gate)
        tags[f"gate.{slug(gate.name)}.value"] = gate.has
    return tags


def _outcome(gate: GateResult) -> str:
    if not gate.passed:
        return "refused"
    return "no champion" if gate.has == "no champion" else "pass"


def slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def ladder_section(
    metrics: Mapping[str, Any], config: Mapping[str, Any], variant: str, measured: Mapping[str, float]
) -> str:
    """The rung of a variant, those it came from, and the baselines.

    Args:
        metrics, config: of the evaluation.
        measured: what was timed beside it.
    """
    rungs = {row["rung"]: row for row in metrics["rungs"]}
    own = next((row for row in rungs.values() if row["variant"] == variant), None)
    if own is None:
        return ""
    shown, rung = {"majority", "tfidf", own["rung"]}, own
    while (rung := rungs.get(rung["parent"], {})) and rung["rung"] not in shown:
        shown.add(rung["rung"])
    rows = [
        _ladder_row(row, rungs.values(), config["metric"], measured, own)
        for name, row in rungs.items()
        if name in shown
    ]
    head = (*ladder_head(config), "gain", "size", "latency")
    return "\n".join([*table(head, rows), "", f"Test set `{metrics['test_digest'][:16]}`, {_documents(metrics)}."])


def ladder_head(config: Mapping[str, Any]) -> tuple[str, str, str]:
    return "step", SCORES[config["metric"]], f"{100 * config['confidence']:g} % interval"


def gained(row: Mapping[str, Any], rungs: Iterable[Mapping[str, Any]]) -> str:
    """The gain of a rung, and the title of the one that it is measured against."""
    if not (gain := row.get("gain")):
        return ""
    titles = {other["rung"]: other["title"] for other in rungs}
    return f"{signed(gain['value'], 3)} over {escaped(titles[gain['against']])}"


def _ladder_row(
    row: Mapping[str, Any], rungs: Iterable[Any], metric: str, measured: Mapping[str, float], own: Any
) -> Sequence[str]:
    bounds, size = row[metric], row.get("size_bytes")
    latency = measured.get(f"latency_ms.{row['rung']}")
    title = escaped(row["title"])
    return (
        f"**{title}**" if row is own else title,
        f"{bounds['value']:.3f}",
        f"{bounds['low']:.3f} to {bounds['high']:.3f}",
        gained(row, rungs),
        f"{size / 1e6:.1f} MB" if size else "",
        f"{latency:.1f} ms" if latency is not None else "",
    )


def _documents(metrics: Mapping[str, Any]) -> str:
    return f"{metrics['test_documents']} documents" if "test_documents" in metrics else "the same for every row"


def made_from_section(nodes: Sequence[Node], own: str, experiment: str, files: str, room: int) -> str:
    """A row a node: its registered copy, its run, its card.

    Args:
        own: `MODEL/NUMBER` of the version that the page is about.
        files: address of the version's files.
        room: characters that the section may have.
    """
    lines = [f"[Files, model card and signature of this version]({files})", ""]
    lines += table(("node", "registered as", "run", "digest"), ())
    end = "`textmill show` tells it all, back to the input files."
    for index, node in enumerate(nodes):
        run = f"#/experiments/{experiment}/runs/{node.run}"
        links = [f"[run]({run})"] if node.run else []
        links += [f"[card]({run}/artifacts/card.md)"] if node.run and node.card else []
        name = "this version" if node.version == own else version_link(node.version) if node.version else ""
        line = _row((node.name, name, ", ".join(links), f"`{node.digest[:12]}`"))
        if sum(map(len, lines)) + len(lines) + len(line) + len(end) + 40 > room:
            return "\n".join([*lines, "", f"… and {len(nodes) - index} more nodes: {end}"])
        lines.append(line)
    return "\n".join([*lines, "", end])


def version_link(reference: str) -> str:
    """A link to `MODEL/NUMBER`."""
    model, _, number = reference.rpartition("/")
    return f"[{escaped(model)} {number}](#/models/{model}/versions/{number})"


def ledger_section(entries: Sequence[Entry], model: str, room: int = LIMIT - 600) -> str:
    """The changes of what is in use, newest first, as many as there is room for."""
    own = [entry for entry in entries if entry.model == model]
    lines = table(("when (UTC)", "who", "what", "champion", "previous", "gates", "reason"), ())
    used = sum(map(len, lines))
    for index, entry in enumerate(reversed(own)):
        line = _entry_row(entry)
        used += len(line) + 1
        if used > room:
            return "\n".join(
                [*lines, "", f"… and {len(own) - index} older entries in `ledger.jsonl` of the workspace."]
            )
        lines.append(line)
    if not own:
        return "Nothing has been promoted yet."
    return "\n".join(lines)


def _entry_row(entry: Entry) -> str:
    passed = sum(bool(gate["passed"]) for gate in entry.gates)
    gates = f"{passed} of {len(entry.gates)} passed" if entry.gates else entry.verdict
    when = entry.when[:16].replace("T", " ")

    def linked(version: int | None) -> str:
        return f"[{version}](#/models/{entry.model}/versions/{version})" if version else "none"

    what = f"{entry.action} {entry.version}" if entry.version else entry.action
    cells = (when, escaped(entry.who), what, linked(entry.after.champion), linked(entry.after.previous))
    return _row((*cells, gates, escaped(entry.reason[:200])))


def model_head(model: str, aliases: Aliases, unchecked: bool) -> str:
    """The sentence above the ledger."""
    if aliases.champion is None:
        return f"{HEAD}. No version is champion."
    by_hand = " It was set by hand: **gates not checked**." if unchecked else ""
    return (
        f"{HEAD}. Champion: {version_link(f'{model}/{aliases.champion}')}.{by_hand} "
        f"To load it: `models:/{model}@champion`."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(head), "|" + "---|" * len(head), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    """MLflow sets cells without a gap between them."""
    return "| " + " | &ensp;".join(cells) + " |"


def escaped(text: str) -> str:
    """A person's text as Markdown and HTML show it, on one line."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for mark, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(mark, shown)
    return "".join(f"\\{c}" if c in "\\`*[]|" else c for c in flat)
