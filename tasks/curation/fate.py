"""The fate of one document, or of a text that is no document: kept, edited, or which rule dropped it and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.rule_presets import Step
from pipeline_config.rules import LanguageRule, PerplexityRule, RelevanceRule, ToxicityRule
from pipeline_config.selection import DecontaminateConfig, SelectConfig
from tasks.corpus.document import documents_at, read_documents, reference, shards, text_digest
from tasks.corpus.redaction.settings import masked
from tasks.curation.decontamination import HeldOutTexts
from tasks.curation.domain import read_rules
from tasks.curation.editing import apply_all
from tasks.curation.judge import judge
from tasks.curation.measure import SIGNATURES, TABLE, signature
from tasks.curation.measures.statistics import statistics
from tasks.curation.rule_lines import rule_lines
from tasks.dedup.bands import bands_of
from tasks.dedup.containment import NONE, find_leaks
from tasks.dedup.shingles import jaccard, shingles
from tasks.dedup.signatures import SignatureFile, band_keys, sliced_band_keys
from tasks.runtime.artifact import CleanCorpus, Corpus, LabelledData, Measures, RawCorpus
from tasks.runtime.errors import RefusedInput

Decision = Literal["kept", "dropped", "withdrawn"]

UNTOLD = (PerplexityRule, RelevanceRule, ToxicityRule)
"""Rules whose thresholds are places in a whole corpus, or whose models are not kept: they are not judged."""

_SHOWN = 4_000
"""Characters of a text of which the excerpt is the beginning, once personal data and secrets are masked."""
_AT = {"node": "", "fingerprint": ""}  # of an artifact that is only read


class NoSuchDocument(RefusedInput):
    """No document of the raw corpus has such an id."""


@dataclass(frozen=True)
class Line:
    """What one stage did: `ingest`, `clean`, `measure` or `select`, or what a `rule` says, and a phrase."""

    stage: str
    text: str


@dataclass(frozen=True)
class Fate:
    document: str
    """`doc:<hex>`; empty for a text that is no document."""
    source: str
    excerpt: str
    """The beginning of the text as it came in."""
    decision: Decision
    lines: tuple[Line, ...]
    taken_down: bool = False
    """Dropped since `select.drop` lists it, or withdrawn."""


def tell_fate(
    query: str,
    raw: Path,
    clean: Path,
    measures: Path,
    corpus: Path,
    *,
    labels: Path | None = None,
    benchmarks: Path | None = None,
    lid_model: Path | None = None,
    seen_by: Callable[[bytes], tuple[list[str], str]] = lambda _: ([], ""),
    seen_before: Callable[[bytes], tuple[list[str], str]] = lambda _: ([], ""),
    withdrawn: str = "",
) -> dict[str, Any]:
    """The fate of `doc:<hex>`, or of the text in a file, for people (`lines`) and programs; folders are of artifacts.

    `seen_by` gives, for the id of a document that was kept, the nodes whose models saw it, and a remark; `seen_before`
    likewise for one that was taken down, what was ever made here. `withdrawn` says, where the artifacts are of an older
    run, that the newest has the document no more; then it is not kept, whatever those decided.
    """
    made = CleanCorpus(**_AT, path=clean), Measures(**_AT, path=measures), Corpus(**_AT, path=corpus)
    if query.startswith("doc:"):
        fate = fate_of_document(query, RawCorpus(**_AT, path=raw), *made)
        if withdrawn:
            lines = (*fate.lines, Line("ingest", withdrawn))
            fate = replace(fate, decision="withdrawn", lines=lines, taken_down=True)
        document = bytes.fromhex(fate.document.removeprefix("doc:"))
        ask = seen_by if fate.decision == "kept" else seen_before if fate.taken_down else None
        witnesses, remark = ask(document) if ask else ([], "")
    else:
        text = Path(query).read_text(encoding="utf-8", errors="replace")
        held_out = LabelledData(**_AT, path=labels) if labels else None
        judged_on = RawCorpus(**_AT, path=benchmarks) if benchmarks else None
        fate = fate_of_text(text, *made, labels=held_out, benchmarks=judged_on, lid_model=lid_model)
        witnesses, remark = [], ""
    head = f'{fate.source or query}  "{fate.excerpt}"'
    seen = Line("seen by", (", ".join(witnesses) or "no model") + (f" ({remark})" if remark else ""))
    return {
        "document": fate.document,
        "source": fate.source,
        "excerpt": fate.excerpt,
        "decision": fate.decision,
        "stages": [vars(line) for line in fate.lines],
        "seen_by": witnesses,
        "lines": [head, *(f" {line.stage:<8} {line.text}" for line in (*fate.lines, seen))],
    }


def fate_of_document(query: str, raw: RawCorpus, clean: CleanCorpus, measures: Measures, corpus: Corpus) -> Fate:
    """The fate of a document, named by `doc:<hex>` or the beginning of it.

    Raises:
        RefusedInput: no document of the raw corpus begins so, or several do.
    """
    row = _find(query, raw.path / "documents")
    row["text"] = masked(row["text"][:_SHOWN], CleanConfig.model_validate(clean.config).edits)
    document = row["id"]
    lines = [_ingested(row)]
    cuts = _rows(clean.path / "cuts.parquet", document)
    lines += [
        Line("clean", f"{cut['edit']}: {_bytes(cut['cut'], cut['inserted'])}, {cut['reason']}") for cut in cuts
    ] or [Line("clean", "unchanged")]
    measured = _rows(measures.path / TABLE, document)
    if not measured:
        lines.append(Line("clean", "dropped: nothing but white space was left"))
        return _fate(row, "dropped", lines)
    lines.append(Line("measure", _measured(measured[0])))
    steps = read_rules(corpus.path)
    lines += [Line("rule", text) for text in rule_lines(steps, corpus.metrics["steps"], measured[0])]
    ledger = _rows(corpus.path / "ledger.parquet", document)[0]
    if ledger["decision"] == "kept":
        copies = pc.sum(pc.equal(pq.read_table(corpus.path / "ledger.parquet", columns=["matched_id"])[0], document))
        note = f"; {copies} documents were dropped as its duplicates" if copies.as_py() else ""
        why = f": {ledger['reason']}" if ledger["step"] == "keep" else ""
        lines.append(Line("select", f"kept{why}{note}"))
        trimmed = corpus.path / "cuts.parquet"
        for cut in _rows(trimmed, document) if trimmed.exists() else ():
            where = reference(cut["matched_id"])
            lines.append(
                Line("select", f"{_bytes(cut['bytes'], 0)} from byte {cut['start']} on, which stand in {where}")
            )
        return _fate(row, "kept", lines)
    lines.append(Line("select", f"dropped: {_dropped(ledger)}"))
    return replace(_fate(row, "dropped", lines), taken_down=ledger["step"] == "drop")


def fate_of_text(
    text: str,
    clean: CleanCorpus,
    measures: Measures,
    corpus: Corpus,
    *,
    source: str = "",
    labels: LabelledData | None = None,
    benchmarks: RawCorpus | None = None,
    lid_model: Path | None = None,
) -> Fate:
    """What would become of a text, were it the next document of `source`, after all others.

    Edits and rules that are restricted to sources apply as for `source`. What compares a text with a whole corpus
    (perplexity, relevance) or needs a list or classifier (toxicity) is left out; so is language without `lid_model`,
    and decontamination without `labels`. The lines say so.
    """
    config, rules = SelectConfig.model_validate(corpus.config), read_rules(corpus.path)
    lines: list[Line] = []
    edits = CleanConfig.model_validate(clean.config).edits
    edited, changes = apply_all(edits, source, text)
    lines += [Line("clean", f"{edits[at].kind}: {_bytes(c.cut, c.inserted)}, {c.reason}") for at, c in changes] or [
        Line("clean", "unchanged")
    ]
    row = {"id": b"", "source": source, "text": masked(text[:_SHOWN], edits)}
    if not edited.strip():
        return _fate(row, "dropped", [*lines, Line("clean", "dropped: nothing but white space was left")])
    measure_config = MeasureConfig.model_validate(measures.config)
    measured: dict[str, Any] = {**statistics([edited]), "source": np.array([source], object)}
    if lid_model is not None:
        from tasks.curation.measures.language import LanguageModel

        measured |= LanguageModel(lid_model).measure([edited], measure_config.language)
    lines.append(Line("measure", _measured({name: values[0] for name, values in measured.items()})))
    leaking = config.decontaminate
    held_out = HeldOutTexts.read(leaking, edits, labels, benchmarks) if labels else None
    reasons = [
        *_broken_rules(rules, measured),
        *(_leaks(leaking, held_out, edited, measure_config.signature.shingle_size) if held_out else ()),
        *_repeats(config, measure_config, clean, measures, corpus, edited),
    ]
    lines += [Line("select", f"dropped: {reason}") for reason in reasons[:1]] or [Line("select", "kept")]
    active = [step.rule for step in rules if not step.rule.report_only]
    untold: list[str] = sorted({rule.kind for rule in active if isinstance(rule, UNTOLD)})
    untold += [] if lid_model else ["language"]
    untold += [] if labels else ["decontamination"]
    if untold:
        lines.append(Line("select", f"not judged: {', '.join(untold)}"))
    return _fate(row, "dropped" if reasons else "kept", lines)


def _broken_rules(rules: tuple[Step, ...], measured: dict[str, Any]) -> Iterator[str]:
    for rule in (step.rule for step in rules):
        unknown = isinstance(rule, UNTOLD) or (isinstance(rule, LanguageRule) and "language" not in measured)
        if unknown or rule.report_only:
            continue
        verdict = judge(rule, measured)
        if verdict.drop[0]:
            reason = verdict.reasons[verdict.reason[0]]
            yield f"{reason} ({_number(verdict.value[0])}, threshold {_number(verdict.threshold[0])})"


def _leaks(rule: DecontaminateConfig, held_out: HeldOutTexts, text: str, shingle_size: int) -> Iterator[str]:
    index = held_out.index(rule, shingle_size)
    leaks = find_leaks(index, [text], share=rule.containment, jaccard=rule.jaccard)
    if (found := int(leaks.text[0])) != NONE:
        scores = f"share {leaks.share[0]:.2f}, Jaccard {leaks.jaccard[0]:.2f}"
        yield f"leak of the {held_out.splits[found]} text {reference(held_out.ids[found])} ({scores})"


def _repeats(
    config: SelectConfig, measure: MeasureConfig, clean: CleanCorpus, measures: Measures, corpus: Corpus, text: str
) -> Iterator[str]:
    """Documents of the corpus that the text repeats."""
    digest = text_digest(text)
    for path in shards(corpus.path / "documents"):
        equal = pc.index(pq.read_table(path, columns=["text_digest"])["text_digest"], pa.scalar(digest, pa.binary(16)))
        if config.exact_duplicates and (at := equal.as_py()) >= 0:
            yield f"exact duplicate of {reference(pq.read_table(path, columns=['id'])['id'][at].as_py())}"
    near = config.near_duplicates
    if near is None:
        return
    kept = np.flatnonzero(pc.equal(pq.read_table(corpus.path / "ledger.parquet", columns=["decision"])[0], "kept"))
    words = pq.read_table(measures.path / TABLE, columns=["shingle_words"])[0].to_numpy()[kept]
    signed, own_words = signature(measure, [text])
    shape = bands_of(near, signed.shape[1])
    own_keys, shared = band_keys(signed, *shape), np.zeros(len(kept), bool)
    for part, keys in sliced_band_keys(SignatureFile(measures.path / SIGNATURES), kept, *shape):
        shared[part] = (keys == own_keys).any(axis=1)
    short = own_words[0] < near.min_words
    shared &= (words == own_words[0]) if short else (words >= near.min_words)
    own, best = shingles([text], measure.signature.shingle_size), (0.0, "")
    for at in kept[shared].tolist():
        row = documents_at(clean.path / "documents", [at])[at]
        other = shingles([row["text"]], measure.signature.shingle_size)
        score = jaccard(own.of(0), other.of(0)) if not short else float(own.whole[0] == other.whole[0])
        best = max(best, (score, reference(row["id"])))
    if best[0] >= near.threshold:
        yield f"near-duplicate of {best[1]} (Jaccard {best[0]:.2f}, threshold {near.threshold:.2f})"


def _find(query: str, documents: Path) -> dict[str, Any]:
    """The one document whose id begins with what `query` says."""
    prefix = query.strip().removeprefix("doc:").rstrip("….").lower()
    ids = [document.hex() for document in read_documents(documents, ["id"])["id"].to_pylist()]
    found = [at for at, document in enumerate(ids) if document.startswith(prefix)]
    if len(found) != 1:
        some = f" (doc:{ids[found[0]]}, doc:{ids[found[1]]}, …)" if found else ""
        raise (RefusedInput if found else NoSuchDocument)(
            f"{query!r} names {len(found)} documents{some}; expected one. "
            "Give doc: and the id's hexadecimal digits, or as many of them as tell it from others."
        )
    return documents_at(documents, found)[found[0]]


def _rows(path: Path, document: bytes) -> list[dict[str, Any]]:
    table = pq.read_table(path, filters=pc.field("id") == pa.scalar(document, pa.binary(16)))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _fate(row: dict[str, Any], decision: Decision, lines: list[Line]) -> Fate:
    excerpt = " ".join(row["text"].split())
    name = reference(row["id"]) if row["id"] else ""
    return Fate(name, row["source"], excerpt[:160] + ("…" if len(excerpt) > 160 else ""), decision, tuple(lines))


def _ingested(row: dict[str, Any]) -> Line:
    metadata = json.loads(row["metadata"])
    place = f"read from {metadata['file']}" if "file" in metadata else "read"
    return Line("ingest", place + (f", line {metadata['line']}" if "line" in metadata else ""))


def _measured(row: dict[str, Any]) -> str:
    parts = [f"{row['language']} {row['language_score']:.2f}"] if "language" in row else []
    parts.append(f"{row['words']} words")
    if "rarity" in row:
        parts.append(f"rarity {row['rarity']:.1f} bits/word")
    if "bits_per_byte" in row:
        parts.append(f"{row['bits_per_byte']:.1f} bits/byte")
    if row.get("version"):
        parts.append(f"new in version {row['version']} of the corpus")
    return ", ".join(parts)


def _dropped(ledger: dict[str, Any]) -> str:
    if ledger["step"] == "near":
        twin = reference(ledger["matched_id"])
        return f"near-duplicate of {twin} (Jaccard {ledger['jaccard']:.2f}, threshold {ledger['threshold']:.2f})"
    if ledger["step"] == "drop":
        return str(ledger["reason"]) + (f", {reference(ledger['matched_id'])}" if ledger["matched_id"] else "")
    if ledger["step"] == "exact":
        return f"exact duplicate of {reference(ledger['matched_id'])}"
    what = f"{ledger['reason']} ({_number(ledger['value'])}, threshold {_number(ledger['threshold'])})"
    return what + (f", {reference(ledger['matched_id'])}" if ledger["matched_id"] else "")


def _bytes(cut: int, inserted: int) -> str:
    return f"−{cut} bytes" + (f", +{inserted}" if inserted else "")


def _number(value: float) -> str:
    return f"{value:.4g}"
