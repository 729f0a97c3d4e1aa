"""What became of the documents and bytes that came in, by rule, with samples of what was dropped."""

from __future__ import annotations

from typing import Any, get_args

from pipeline_config.clean import CleanConfig, Edit
from pipeline_config.rules import Rule
from tasks.corpus.redaction.settings import masked
from tasks.report.charts.bar import bar
from tasks.report.difference import side_by_side
from tasks.report.evidence import evidence
from tasks.report.material import Material, Node
from tasks.report.samples import fetch, first_rows
from tasks.report.wording import count, listed

MOST_CUTS = 100_000
DUPLICATES = {
    "decontaminate": "Holds a text of the test or validation set: a model that had seen it would be judged too well.",
    "exact": "The same text as a document that was kept.",
    "near": "Nearly the same text as a document that was kept.",
    "drop": "Listed in select.drop, or the same text as what is.",
    "repeated_passages": "Passages that stand word for word in another document, and texts that hold nothing else.",
}


def build(material: Material) -> dict[str, Any]:
    raw = material.node("ingest.corpus")
    rows = _ingested(raw)
    clean, corpus = material.nodes.get("clean"), material.nodes.get("select")
    if clean:
        rows += _cleaned(clean)
    if corpus:
        rows += _selected(corpus)
    account = raw.metrics["account"]
    documents, size = account["documents_in"], account["bytes_in"]
    for row in rows:
        documents, size = documents - row["documents"], size - row["bytes"]
        row["documents_left"], row["bytes_left"] = documents, size
        row["document_bar"] = _bar(documents, row["documents"], account["documents_in"])
        row["byte_bar"] = _bar(size, row["bytes"], account["bytes_in"])
    shown = [row for row in rows if row["documents"] or row["bytes"] or row["changed"]]
    return {
        "documents": account["documents_in"],
        "bytes": account["bytes_in"],
        "rows": shown,
        "idle": [row["step"] for row in rows if row not in shown and not row["report_only"]],
        "report_only": [row for row in rows if row["report_only"]],
        "documents_left": documents,
        "bytes_left": size,
        "most": max(shown, key=lambda row: row["documents"], default=None),
        "cut": corpus.metrics["account"]["bytes_cut"] if corpus else 0,
        "complete": corpus is not None,
        "samples": evidence(material, clean, corpus) if clean and corpus else [],
        "edited": _edited(raw, clean) if clean else [],
    }


def _bar(left: int, taken: int, whole: int) -> Any:
    return bar([(left / max(whole, 1), "keep"), (max(taken, 0) / max(whole, 1), "drop")])


def _row(
    step: str, about: str, documents: int, size: int, changed: int = 0, report_only: bool = False
) -> dict[str, Any]:
    return {
        "step": step.replace("_", " "),
        "about": about,
        "documents": documents,
        "bytes": size,
        "changed": changed,
    } | {"report_only": report_only}


def _ingested(raw: Node) -> list[dict[str, Any]]:
    account = raw.metrics["account"]
    cut = account["bytes_cut"] - account["bytes_inserted"]
    return [
        _row("not text", "What surrounds the text in the records: names of fields, other fields, quotes.", 0, cut),
        _row(
            "quarantined",
            "Could not be read as a document: " + "; ".join(raw.metrics.get("quarantined", {})) + ".",
            account["documents_quarantined"],
            account["bytes_quarantined"],
        ),
        _row(
            "not in the sample",
            "Only a share was asked for (ingest.corpus.sample): there are fewer duplicates in it than in the whole.",
            account["documents_dropped"],
            account["bytes_dropped"],
        ),
    ]


def _cleaned(clean: Node) -> list[dict[str, Any]]:
    about = _abouts(Edit)
    rows = [
        _row(
            edit["edit"],
            about.get(edit["edit"], "") + _only(config) + _replaced(edit.get("counts", {})),
            0,
            edit["cut"] - edit["inserted"],
            edit["documents"],
        )
        for edit, config in zip(clean.metrics["edits"], clean.manifest.config["edits"], strict=True)
    ]
    account = clean.metrics["account"]
    empty = "Held nothing but markup and white space."
    return [*rows, _row("left empty", empty, account["documents_dropped"], account["bytes_dropped"])]


def _selected(corpus: Node) -> list[dict[str, Any]]:
    about, rows = _abouts(Rule) | DUPLICATES, []
    for step in corpus.metrics["steps"]:
        report_only = bool(step.get("report_only"))
        would = step["alone"]["documents"] if report_only else 0
        said = about.get(step.get("kind", step["step"]), "") + _only(step)
        row = _row(step["step"], said, step["documents"], step["bytes"], report_only=report_only)
        rows.append(row | {"would": would})
    return rows


def _only(config: dict[str, Any]) -> str:
    sources = config.get("sources")
    return f" Of {listed(sources)} only." if sources else ""


def _replaced(counts: dict[str, int]) -> str:
    return f" Replaced: {listed([f'{count(number)} {kind}' for kind, number in counts.items()], 40)}." if counts else ""


def _abouts(union: Any) -> dict[str, str]:
    """What each rule or edit looks at, by kind, as its config says it."""
    members = get_args(get_args(union)[0]) or get_args(union)
    kinds = {str(get_args(member.model_fields["kind"].annotation)[0]): member for member in members}
    return {kind: " ".join((member.__doc__ or "").replace("`", "").split()) for kind, member in kinds.items()}


def _edited(raw: Node, clean: Node) -> list[dict[str, Any]]:
    """Of each edit one document that it alone changed, before and after; not of those that hide what stood there."""
    cuts = first_rows(
        clean.folder / "cuts.parquet", ["id", "edit", "cut", "inserted", "emptied"], MOST_CUTS
    ).to_pylist()
    times: dict[bytes, int] = {}
    for row in cuts:
        times[row["id"]] = times.get(row["id"], 0) + 1
    chosen: dict[str, dict[str, Any]] = {}
    for row in cuts:
        if times[row["id"]] == 1 and not row["emptied"] and 20 <= row["cut"] + row["inserted"] * 20 <= 4000:
            chosen.setdefault(row["edit"], row)
    ids = {row["id"] for row in chosen.values()}
    before, after = fetch(raw.folder / "documents", ids), fetch(clean.folder / "documents", ids)
    told, edits = [], CleanConfig.model_validate(clean.manifest.config).edits
    for edit, row in chosen.items():
        if row["id"] in before and row["id"] in after and edit not in ("pii", "secrets"):
            left, right = side_by_side(masked(before[row["id"]]["text"], edits), after[row["id"]]["text"])
            told.append({"edit": edit, "before": left, "after": right, "source": before[row["id"]]["source"], **row})
    return told
