"""Samples of what each step dropped, or would drop if it did not only report, with the passage that did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_config.clean import CleanConfig, Edit
from tasks.corpus.redaction.settings import masked
from tasks.report.material import Material, Node
from tasks.report.passages import READ, Span, passages, shared
from tasks.report.samples import Ledger, fetch, held_out_texts
from tasks.report.toxic_words import ToxicWords
from tasks.report.wording import marked, number, plural

SAMPLES, AROUND = 10, 300
"""Of each step, or reason; bytes that are shown before and behind a repeated passage."""


def evidence(material: Material, clean: Node, corpus: Node) -> list[dict[str, Any]]:
    """By step that dropped documents or only reports: `step`, `reports` and `entries`."""
    steps = corpus.metrics["steps"]
    dropping = [step["step"] for step in steps if step["documents"] and step["step"] != "near"]
    found = Ledger.read(corpus.folder).first(list(dict.fromkeys(dropping)), 3 * SAMPLES)  # some have the same text
    rows = {step["step"]: found.get(step["step"]) or _reported(step) for step in steps}
    cuts: list[dict[str, Any]] = next((step["samples"] for step in steps if step["step"] == "repeated_passages"), [])
    wanted = {row["id"] for group in rows.values() for row in group} | {_id(one["document"]) for one in cuts}
    texts = fetch(clean.folder / "documents", wanted)
    show = _Passages(material, corpus, found.get("decontaminate", ()))
    edits, told = CleanConfig.model_validate(clean.manifest.config).edits, []
    for step in steps:
        entries: list[dict[str, Any]] = []
        met: set[str] = set()
        for row in rows[step["step"]]:
            if row["id"] not in texts or texts[row["id"]]["text"] in met:
                continue
            if found.get(step["step"]) and len(met) == SAMPLES:
                break
            met.add(texts[row["id"]]["text"])
            text = masked(texts[row["id"]]["text"][:READ], edits)
            entries.append(
                {
                    "id": row["id"].hex(),
                    "source": texts[row["id"]]["source"],
                    "text": marked(text, show.spans(step, row, text)),
                    "matched": row["matched_id"].hex() if row["matched_id"] else "",
                    "reason": _reason(row),
                }
            )
        if step["step"] == "repeated_passages":
            entries += (_cut(one, texts[_id(one["document"])], edits) for one in cuts if _id(one["document"]) in texts)
        if entries:
            told.append(
                {"step": step["step"].replace("_", " "), "reports": bool(step.get("report_only")), "entries": entries}
            )
    return told


class _Passages:
    """What is to be marked in a text."""

    def __init__(self, material: Material, corpus: Node, leaks: Any) -> None:
        labels = material.nodes.get("ingest.labels")
        names = {row["matched_id"].hex() for row in leaks if row["matched_id"]}
        self._held_out = held_out_texts(labels.folder, names) if labels else {}
        self._words = (corpus.manifest.config.get("decontaminate") or {}).get("ngram_size", 13)
        self._toxic = ToxicWords(material)

    def spans(self, step: dict[str, Any], row: dict[str, Any], text: str) -> list[Span]:
        if step["step"] == "decontaminate":
            other = self._held_out.get(row["matched_id"].hex(), "") if row["matched_id"] else ""
            return shared(text, other, self._words)
        if step.get("kind") == "toxicity":
            return self._toxic.spans(text, row["language"])
        return passages(step.get("kind", step["step"]), text)


def _reported(step: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples of a rule that only reports, as rows of a ledger would tell them."""
    samples = step.get("samples", {}) if step.get("report_only") and "kind" in step else {}
    return [
        {
            "id": _id(one["document"]),
            "reason": reason,
            "value": one["value"],
            "threshold": one["threshold"],
            "language": one["language"],
            "matched_id": None,
        }
        for reason, found in samples.items()
        for one in found
    ]


def _cut(one: dict[str, Any], document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """One of the longest passages that are cut, or would be, where it stands."""
    data, start, stop = document["text"].encode(), one["start"], one["start"] + one["bytes"]
    parts = data[max(0, start - AROUND) : start], data[start:stop], data[stop : stop + AROUND]
    before, passage, after = (masked(part.decode("utf-8", "ignore"), edits) for part in parts)
    return {
        "id": _id(one["document"]).hex(),
        "source": document["source"],
        "text": marked(before + passage + after, [(len(before), len(before) + len(passage))]),
        "matched": _id(one["like"]).hex(),
        "reason": f"{plural(one['bytes'], 'byte')} that stand in an earlier document",
    }


def _id(reference: str) -> bytes:
    return bytes.fromhex(reference.removeprefix("doc:"))


def _reason(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return str(row["reason"] or "")
    threshold = "" if row["threshold"] is None else f", threshold {number(row['threshold'])}"
    return f"{row['reason']}: {number(row['value'])}{threshold}"
