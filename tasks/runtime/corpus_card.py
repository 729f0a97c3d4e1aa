"""The card of a selected corpus: what is in it, where it came from, what was taken out, and what it is not good for.

After Data Cards (Pushkarna et al. 2022, FAccT, arXiv:2204.01075): overview, provenance, transformations, sensitive
content, validation, known limits, access. `select` writes it beside the documents, from its own figures and those of
what it read. What is no part of that recipe is added where the card is shown: licences, which may be stated later
without making anything again, and what was there before `clean`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import LINEAGE, MANIFEST, Corpus, Manifest
from tasks.runtime.units import count, size
from tasks.runtime.visible import visible

NOT_STATED = "not stated"
CARD, FACTS = "card.md", "card.json"
SHOWN = 3
"""Samples of each reason on the page; the facts hold all."""


def corpus_facts(
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    clean: Manifest,
    measures: Manifest,
    reported: list[dict[str, Any]],
) -> dict[str, Any]:
    """The card as JSON types, from config and metrics of `select` and the manifests of what it read.

    `reported`: by rule that only reports and by reason some texts that it would drop.
    """
    account, steps = metrics["account"], {step["step"]: step for step in metrics["steps"]}
    near = config.get("near_duplicates")
    return {
        "documents": account["documents_kept"],
        "bytes": account["bytes_kept"],
        "sources": [{"name": name, **figures} for name, figures in metrics["sources"].items()],
        "languages": metrics["languages"],
        "funnel": list(_funnel(clean, metrics)),
        "reported": reported,
        "personal_data": _replaced(clean),
        "duplicates": {
            "exact": steps["exact"]["documents"] if config["exact_duplicates"] else None,
            "near": steps["near"]["documents"] if near else None,
            "near_settings": near,
            "permutations": measures.config["signature"]["permutations"],
        },
        "decontamination": {
            "documents": steps["decontaminate"]["documents"],
            **metrics["decontamination"],
            "settings": config["decontaminate"],
        },
        "listed": metrics.get("listed", {}),
        "lineage": metrics.get(LINEAGE),
        "untrained": measures.metrics.get("untrained"),
    }


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `card.json` and `card.md`."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(corpus_card(facts), encoding="utf-8")


def read_facts(corpus: Corpus, licences: Mapping[str, str]) -> dict[str, Any]:
    """The facts that lie in an artifact, and what is no part of them. `licences`: by name of a source, as the
    configuration states them.

    What an artifact says that is gone is null.
    """
    own, facts = corpus.manifest, json.loads((corpus.path / FACTS).read_text(encoding="utf-8"))
    nodes = {manifest.node: manifest for manifest in _made_from(corpus, own)}
    raw = nodes.get("ingest.corpus")
    return {
        **facts,
        "corpus": {"node": own.node, "fingerprint": own.fingerprint, "digest": own.digest, "version": own.version},
        "sources": [{**one, "licence": licences.get(one["name"]) or None} for one in facts["sources"]],
        "funnel": [*(_ingested(raw) if raw else ()), *facts["funnel"]],
        "sample": raw.config.get("sample", 1.0) if raw else None,
        "made_from": [{"node": one.node, "digest": one.digest, "version": one.version} for one in nodes.values()],
    }


def corpus_card(facts: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    name = f" {facts['corpus']['fingerprint'][:10]}" if "corpus" in facts else ""
    sections = {
        f"Corpus{name}": _overview(facts),
        "Sources and licences": _sources(facts),
        "Languages": _languages(facts),
        "What was taken out": _steps(facts),
        "What rules only report": _reported(facts),
        "Personal data and secrets": _personal(facts),
        "Duplicates": _duplicates(facts),
        "Held-out texts": _held_out(facts),
        "Known limits": _limits(facts),
        "To have a document taken down": _takedown(facts),
        "Made from": _origin(facts),
    }
    lines: list[str] = []
    for title, body in ((title, list(body)) for title, body in sections.items()):
        if body:
            lines += [f"{'##' if lines else '#'} {title}", "", *body, ""]
    return visible("\n".join(lines))


def _made_from(corpus: Corpus, own: Manifest) -> Iterator[Manifest]:
    """The nodes before, the first ones first, as far as they are still there."""
    artifacts, seen = corpus.path.parent.parent, set()

    def walk(manifest: Manifest) -> Iterator[Manifest]:
        for record in manifest.inputs.values():
            file = artifacts / record.node / record.fingerprint / MANIFEST
            if record.fingerprint not in seen and file.is_file():
                seen.add(record.fingerprint)
                before = Manifest.model_validate_json(file.read_bytes())
                yield from walk(before)
                yield before

    return walk(own)


def _row(stage: str, step: str, documents: int, taken: int) -> dict[str, Any]:
    return {"stage": stage, "step": step, "documents": documents, "bytes": taken}


def _ingested(raw: Manifest) -> Iterator[dict[str, Any]]:
    account = raw.metrics["account"]
    yield _row("ingest", "quarantined", account["documents_quarantined"], account["bytes_quarantined"])
    if account["documents_dropped"]:
        yield _row("ingest", "not in the sample", account["documents_dropped"], account["bytes_dropped"])


def _funnel(clean: Manifest, metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for edit in clean.metrics["edits"]:
        yield _row("clean", edit["edit"], 0, edit["cut"] - edit["inserted"])
    account = clean.metrics["account"]
    yield _row("clean", "left empty", account["documents_dropped"], account["bytes_dropped"])
    for step in metrics["steps"]:
        if not step.get("report_only"):
            yield _row("select", step["step"], step["documents"], step["bytes"])


def _replaced(clean: Manifest) -> dict[str, dict[str, int]]:
    """By edit that replaces, what it replaced, by kind; empty where none does."""
    kinds = ("pii", "secrets")
    return {edit["edit"]: edit.get("counts", {}) for edit in clean.metrics["edits"] if edit["edit"] in kinds}


def _overview(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"{count(facts['documents'])} documents, {size(facts['bytes'])} of text (UTF-8), for learning without labels."
    if "corpus" in facts:
        yield f"Digest `{facts['corpus']['digest']}`."
    if facts.get("sample", 1.0) not in (None, 1.0):
        yield f"A sample: {facts['sample']:.4g} of the documents that there are."
    if lineage := facts["lineage"]:
        yield (
            f"Version {lineage['version']} of it: measured and judged by what was fitted to the "
            f"{count(lineage['fitted_documents'])} documents of version 0 (measure `{lineage['fitted_in'][:10]}`), and "
            "no later document displaced an earlier one."
        )


def _sources(facts: Mapping[str, Any]) -> Iterator[str]:
    stated = "corpus" in facts
    yield f"| source |{' licence |' if stated else ''} documents | of | text | of |"
    yield f"|---|{'---|' if stated else ''}---|---|---|---|"
    for one in facts["sources"]:
        cells = [_cell(one["name"]), *([_cell(one["licence"] or NOT_STATED)] if stated else [])]
        cells += [count(one[name]) for name in ("documents_kept", "documents_in")]
        cells += [size(one[name]) for name in ("bytes_kept", "bytes_in")]
        yield f"| {' | '.join(cells)} |"
    if not stated:
        yield ""
        yield (
            "Licences stand in the configuration (`ingest.corpus.sources.*.licence`), where they can be stated without "
            "making the corpus again; `textmill select card` and MLflow show this card with them."
        )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _languages(facts: Mapping[str, Any]) -> Iterator[str]:
    """As identified, a guess for a short text."""
    yield "| language (as identified) | documents |"
    yield "|---|---|"
    for name, number in facts["languages"].items():
        yield f"| {name} | {count(number)} |"


def _steps(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "| stage | step | documents | text |"
    yield "|---|---|---|---|"
    for row in facts["funnel"]:
        if row["documents"] or row["bytes"]:
            yield f"| {row['stage']} | {row['step']} | {count(row['documents'])} | {size(row['bytes'])} |"
    yield ""
    yield "The reason for each document stands in `ledger.parquet`; `textmill show doc:ID` tells it."


def _reported(facts: Mapping[str, Any]) -> Iterator[str]:
    if not facts["reported"]:
        return
    yield "Beginnings of texts that these rules would drop, were they on; the first by id, which is a hash."
    yield ""
    yield "| rule | reason | value | threshold | text |"
    yield "|---|---|---|---|---|"
    for group in facts["reported"]:
        for one in group["documents"][:SHOWN]:
            figures = ("–" if one[name] is None else f"{one[name]:.4g}" for name in ("value", "threshold"))
            text = _cell(one["text"].replace("`", "'"))  # as code: what it holds is no Markdown of ours
            yield f"| {' | '.join([group['step'], group['reason'], *figures])} | `{text}` |"


def _personal(facts: Mapping[str, Any]) -> Iterator[str]:
    found = facts["personal_data"]
    if not found:
        yield "Nothing was looked for (`clean.edits` has neither `pii` nor `secrets`): expect personal data."
        return
    yield "Replaced by typed placeholders. Names of persons are not looked for."
    yield ""
    yield "| kind | replaced |"
    yield "|---|---|"
    for edit, kinds in found.items():
        yield from (f"| {kind} ({edit}) | {count(number)} |" for kind, number in kinds.items())


def _duplicates(facts: Mapping[str, Any]) -> Iterator[str]:
    told = facts["duplicates"]
    if told["exact"] is None:
        yield "- Equal texts were left in."
    else:
        yield f"- {count(told['exact'])} documents had the text of one that was kept."
    near, permutations = told["near_settings"], told["permutations"]
    if not near:
        yield "- Near-duplicates were left in."
        return
    yield f"- {count(told['near'])} documents had a Jaccard of {near['threshold']:g} or more with one that was kept."
    if isinstance(near["bands"], int):
        recall = 1 - (1 - near["threshold"] ** (permutations // near["bands"])) ** near["bands"]
        yield f"- Of pairs at that threshold {recall:.0%} are found by {near['bands']} bands; of more alike ones, more."


def _held_out(facts: Mapping[str, Any]) -> Iterator[str]:
    told, settings = facts["decontamination"], facts["decontamination"]["settings"]
    yield (
        f"{count(told['documents'])} documents were taken out that hold {settings['containment']:.0%} of the "
        f"{settings['ngram_size']}-grams of one of {count(told['held_out_texts'])} held-out texts, or resemble one. "
        "Texts that were not named as held out were not looked for."
    )


def _limits(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("sample", 1.0) not in (None, 1.0):
        yield "- A sample holds fewer duplicates than the whole: their number is underestimated."
    unstated = [one["name"] for one in facts["sources"] if "licence" in one and not one["licence"]]
    if unstated:
        yield f"- No licence is stated for {', '.join(unstated)} (`ingest.corpus.sources.*.licence`)."
    if facts["untrained"]:
        yield (
            "- Bits per byte say nothing here: all texts that the models of perplexity were fitted to are near one "
            "another, so that none was left to judge them that had not seen the like."
        )
    yield "- Rules count words and lines; they do not know whether a text is true, fair or up to date."
    yield "- Languages are identified by a model, which errs on short and on mixed texts."
    yield "- Near-duplicates of few words, translations and paraphrases stay."


def _takedown(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "List its id in `select.drop` (`doc:…`, or a file with one a line) and run again: it leaves the corpus and"
    yield "what is made from it. `textmill show doc:ID` then names the models that were made from it before."
    listed = facts["listed"].get("drop")
    if listed:
        yield (
            f"Listed so far: {count(listed['listed'])} ids, {count(listed['found'])} of documents that come in; "
            f"others that had the text of one of these, and went as well: {count(listed['same_text'])}."
        )
        if listed.get("near"):
            names = ", ".join(f"`{twin['document']}`" for twin in listed["twins"])
            more = ", …" if listed["near"] > len(listed["twins"]) else ""
            yield f"Kept documents that are near-duplicates of listed ones: {count(listed['near'])} ({names}{more})."


def _origin(facts: Mapping[str, Any]) -> Iterator[str]:
    return (f"- {one['node']} (version {one['version']}) `{one['digest']}`" for one in facts.get("made_from", ()))
