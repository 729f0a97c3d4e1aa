"""The card of a selected corpus: what is in it, where it came from, what was taken out, and what it is not good for.

After Data Cards (Pushkarna et al. 2022, FAccT, arXiv:2204.01075): overview, provenance, transformations, sensitive
content, validation, known limits, access. Drawn from manifests alone, so it can be drawn again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.runtime.artifact import LINEAGE, MANIFEST, Corpus, Manifest
from tasks.runtime.units import count, size
from tasks.runtime.visible import visible

NOT_STATED = "not stated"


def corpus_facts(corpus: Corpus, licences: Mapping[str, str]) -> dict[str, Any]:
    """The card as JSON types. `licences`: by name of a source, as the configuration states them.

    What an artifact says that is gone is null.
    """
    own = corpus.manifest
    nodes = {manifest.node: manifest for manifest in _made_from(corpus, own)}
    raw, clean, measures = (nodes.get(node) for node in ("ingest.corpus", "clean", "measure"))
    account, steps = own.metrics["account"], {step["step"]: step for step in own.metrics["steps"]}
    near = own.config.get("near_duplicates")
    return {
        "corpus": {"node": own.node, "fingerprint": own.fingerprint, "digest": own.digest, "version": own.version},
        "documents": account["documents_kept"],
        "bytes": account["bytes_kept"],
        "sources": [
            {"name": name, "licence": licences.get(name) or None, **figures}
            for name, figures in own.metrics["sources"].items()
        ],
        "languages": own.metrics.get("languages"),
        "funnel": list(_funnel(raw, clean, own)),
        "personal_data": _replaced(clean),
        "duplicates": {
            "exact": steps["exact"]["documents"] if own.config["exact_duplicates"] else None,
            "near": steps["near"]["documents"] if near else None,
            "near_settings": near,
            "permutations": measures.config["signature"]["permutations"] if measures else None,
        },
        "decontamination": {
            "documents": steps["decontaminate"]["documents"],
            **own.metrics["decontamination"],
            "settings": own.config["decontaminate"],
        },
        "listed": own.metrics.get("listed", {}),
        "lineage": own.metrics.get(LINEAGE),
        "sample": raw.config.get("sample", 1.0) if raw else None,
        "made_from": [{"node": one.node, "digest": one.digest, "version": one.version} for one in nodes.values()],
    }


def corpus_card(facts: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    sections = {
        f"Corpus {facts['corpus']['fingerprint'][:10]}": _overview(facts),
        "Sources and licences": _sources(facts),
        "Languages": _languages(facts),
        "What was taken out": _steps(facts),
        "Personal data and secrets": _personal(facts),
        "Duplicates": _duplicates(facts),
        "Held-out texts": _held_out(facts),
        "Known limits": _limits(facts),
        "To have a document taken down": _takedown(facts),
        "Made from": (f"- {one['node']} (version {one['version']}) `{one['digest']}`" for one in facts["made_from"]),
    }
    lines: list[str] = []
    for title, body in sections.items():
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


def _funnel(raw: Manifest | None, clean: Manifest | None, own: Manifest) -> Iterator[dict[str, Any]]:
    def row(stage: str, step: str, documents: int, taken: int) -> dict[str, Any]:
        return {"stage": stage, "step": step, "documents": documents, "bytes": taken}

    if raw:
        account = raw.metrics["account"]
        yield row("ingest", "quarantined", account["documents_quarantined"], account["bytes_quarantined"])
        if account["documents_dropped"]:
            yield row("ingest", "not in the sample", account["documents_dropped"], account["bytes_dropped"])
    if clean:
        for edit in clean.metrics["edits"]:
            yield row("clean", edit["edit"], 0, edit["cut"] - edit["inserted"])
        account = clean.metrics["account"]
        yield row("clean", "left empty", account["documents_dropped"], account["bytes_dropped"])
    for step in own.metrics["steps"]:
        if not step.get("report_only"):
            yield row("select", step["step"], step["documents"], step["bytes"])


def _replaced(clean: Manifest | None) -> dict[str, dict[str, int]] | None:
    """By edit that replaces, what it replaced, by kind; empty where none does."""
    if clean is None:
        return None
    kinds = ("pii", "secrets")
    return {edit["edit"]: edit.get("counts", {}) for edit in clean.metrics["edits"] if edit["edit"] in kinds}


def _overview(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"{count(facts['documents'])} documents, {size(facts['bytes'])} of text (UTF-8), for learning without labels."
    yield f"Digest `{facts['corpus']['digest']}`."
    if facts["sample"] not in (None, 1.0):
        yield f"A sample: {facts['sample']:.4g} of the documents that there are."
    if lineage := facts["lineage"]:
        yield (
            f"Version {lineage['version']} of it: measured and judged by what was fitted to the "
            f"{count(lineage['fitted_documents'])} documents of version 0 (measure `{lineage['fitted_in'][:10]}`), and "
            "no later document displaced an earlier one."
        )


def _sources(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "| source | licence | documents | of | text | of |"
    yield "|---|---|---|---|---|---|"
    for one in facts["sources"]:
        cells = [one["name"].replace("|", "\\|"), (one["licence"] or NOT_STATED).replace("|", "\\|")]
        cells += [count(one[name]) for name in ("documents_kept", "documents_in")]
        cells += [size(one[name]) for name in ("bytes_kept", "bytes_in")]
        yield f"| {' | '.join(cells)} |"


def _languages(facts: Mapping[str, Any]) -> Iterator[str]:
    """As identified, a guess for a short text."""
    if not facts["languages"]:
        yield "Not known."
        return
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


def _personal(facts: Mapping[str, Any]) -> Iterator[str]:
    found = facts["personal_data"]
    if not found:
        yield (
            "Nothing was looked for or replaced (`clean.edits` has neither `pii` nor `secrets`): expect personal data."
            if found is not None
            else "Not known: the artifact of clean is gone."
        )
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
    if permutations and isinstance(near["bands"], int):
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
    if facts["sample"] not in (None, 1.0):
        yield "- A sample holds fewer duplicates than the whole: their number is underestimated."
    unstated = [one["name"] for one in facts["sources"] if not one["licence"]]
    if unstated:
        yield f"- No licence is stated for {', '.join(unstated)} (`ingest.corpus.sources.*.licence`)."
    yield "- Rules count words and lines; they do not know whether a text is true, fair or up to date."
    yield "- Languages are identified by a model, which errs on short and on mixed texts."
    yield "- Near-duplicates of few words, translations and paraphrases stay."


def _takedown(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "List its id in `select.drop` (`doc:…`, or a file with one a line) and run again: it leaves the corpus and"
    yield "what is made from it. `textmill show doc:ID` then names the models that were made from it before."
    listed = facts["listed"].get("drop")
    if listed:
        yield f"Listed so far: {count(listed['listed'])} ids, {count(listed['found'])} of documents that come in."
