"""Select: decisions only. Rules, decontamination (leak safety first), exact and near duplicates, repeated passages.

So every duplicate that is dropped names a document that is kept, and no held-out text decides which copy stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.clean import Edit
from pipeline_config.rule_presets import Step, steps
from pipeline_config.rules import MODEL_RULES
from pipeline_config.selection import SelectConfig
from tasks.corpus.account import Account
from tasks.corpus.document import (
    iter_documents,
    read_documents,
    write_sorted,
)
from tasks.curation.bounds import bounds
from tasks.curation.decontamination import Before, HeldOutTexts, decontaminate
from tasks.curation.domain import Fitted, cost, fit, write_rules
from tasks.curation.duplicates import drop_duplicates, near_settings, near_twins, order_of
from tasks.curation.funnel import Funnel
from tasks.curation.judge import judge
from tasks.curation.ledger import Ledger
from tasks.curation.measure import POPULATION, SIGNATURES, TABLE
from tasks.curation.measured import MeasuredColumns
from tasks.curation.measures.statistics import statistics
from tasks.curation.passages import Passages, find_passages
from tasks.curation.rules.verdict import Measured, Verdict
from tasks.curation.texts import texts_of
from tasks.dedup.bands import bands_of
from tasks.dedup.components import components
from tasks.dedup.scratch import Scratch
from tasks.dedup.signatures import SignatureFile
from tasks.dedup.walk import keys_of
from tasks.runtime.errors import RefusedInput

NAMES = ["source", "language"]  # columns of few different texts
SAMPLES = 10  # of each reason, for rules that drop nothing, and of what is named in a line
TWINS = 100  # near-duplicates of listed documents that are named


@dataclass(frozen=True)
class Decided:
    ledger: Ledger
    funnel: Funnel
    measured: Measured
    wanted: NDArray[np.bool_]
    """(N,) what `keep` lists."""
    rules: tuple[Step, ...]
    """What judged, thresholds as fitted."""
    fitted: tuple[Fitted, ...]
    decontamination: dict[str, int]
    listed: dict[str, dict[str, Any]]
    """Of `keep` and `drop`, where they are given: ids `listed`, how many of them are documents (`found`) and, of
    `drop`, how many others have the text of one of these (`same_text`)."""
    taken_down: NDArray[np.int64]
    """The documents that `drop` lists."""


def run(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    shingle_size: int,
    held_out: HeldOutTexts,
    training: list[str],
    out: Path,
    index_memory: int,
    edits: Sequence[Edit],
) -> dict[str, Any]:
    """Decide about the documents of a folder; write `out/documents`, `out/ledger.parquet` and `out/rules.json` (what
    judged, thresholds as fitted), return the metrics.

    `shingle_size` is the number of words that the signatures in `measures` were made with; `training` are the labelled
    training texts, to which thresholds are fitted and that tell what each rule costs; `index_memory` the bytes that the
    index of near-duplicates takes before it goes on in files under `out`; samples of texts are masked as `edits` do.

    Raises:
        StageFailed: a step takes more than `config.accept_losses` accepts.
    """
    decided = decide(config, documents, measures, shingle_size, held_out, training, out, index_memory)
    ledger, funnel = decided.ledger, decided.funnel
    passages = _cut_passages(config, documents, decided, out, index_memory, edits)
    funnel.check()
    write_rules(decided.rules, out)
    with Scratch(out, index_memory) as scratch:
        kept, taken_down = np.flatnonzero(ledger.kept), decided.taken_down
        ledger.group(_components(config, measures, kept, scratch))
        if len(taken_down):
            words = decided.measured["shingle_words"]
            twins = near_twins(config, documents, measures, words, shingle_size, taken_down, kept, scratch)
            decided.listed["drop"] |= _told_twins(twins, ledger)
    ledger.write(out / "ledger.parquet")
    account = _account(ledger.kept, funnel.sizes, passages.cut)
    write_sorted(out / "documents", _kept(documents, ledger.kept, passages), account.bytes_kept)
    return {
        "account": account.model_dump(),
        "steps": funnel.steps,
        "sources": _by_source(funnel, ledger.kept, passages.cut),
        "languages": _languages(ledger.languages, ledger.kept),
        "decontamination": decided.decontamination,
        "fitted": [asdict(one) for one in decided.fitted],
        **({"listed": decided.listed} if decided.listed else {}),
    }


def decide(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    shingle_size: int,
    held_out: HeldOutTexts,
    training: list[str],
    scratch_folder: Path,
    index_memory: int,
    *,
    rules: tuple[Step, ...] | None = None,
    before: Before | None = None,
    guarded: bool = True,
) -> Decided:
    """The decisions alone; arguments as of `run`. `rules` judge instead of those of the config, as they are, and what
    `before` knows of leaks is not looked for again.

    Raises:
        StageFailed: it is `guarded`, and a step takes more than `config.accept_losses` accepts.
    """
    table = pq.read_table(measures / TABLE, columns=["id", *NAMES], read_dictionary=NAMES)
    ids = table["id"].combine_chunks()
    assert ids.equals(read_documents(documents, ["id"])["id"].combine_chunks()), "measures of other documents"
    measured = MeasuredColumns(measures / TABLE)
    population = MeasuredColumns(measures / POPULATION) if (measures / POPULATION).exists() else measured
    sources, languages = (table[name].unify_dictionaries().combine_chunks() for name in NAMES)
    ledger = Ledger(ids, sources, languages)
    del table
    places, names = sources.indices.to_numpy(), sources.dictionary.to_pylist()
    funnel = Funnel(ledger, measured["bytes"], places, names, config.accept_losses)

    wanted, taken_down, listed = _apply_lists(config, documents, funnel)
    good = statistics(training)
    fitted: tuple[Fitted, ...] = ()
    if rules is None:
        rules, fitted = fit(steps(config.rules), good, population)
    _apply_rules(rules, measured, population, good, funnel, wanted)
    if guarded:  # before the costly steps
        funnel.check()
    decontaminated = decontaminate(config.decontaminate, documents, shingle_size, held_out, funnel, before)
    with Scratch(scratch_folder, index_memory) as scratch:
        drop_duplicates(config, documents, measures, measured, shingle_size, funnel, wanted, scratch)
    if guarded:
        funnel.check()
    ledger.keep(np.flatnonzero(wanted & ledger.kept), "keep", reason="listed in select.keep")
    return Decided(ledger, funnel, measured, wanted, rules, fitted, decontaminated, listed, taken_down)


def _components(config: SelectConfig, measures: Path, kept: NDArray[np.int64], scratch: Scratch) -> NDArray[np.int64]:
    """`components` of kept documents (rows), by the bands that near-duplicates are or would be found by."""
    signatures = SignatureFile(measures / SIGNATURES)
    shape = bands_of(near_settings(config), signatures.shape[1])
    return components(keys_of(signatures, kept, shape, scratch))


def check_bands(config: SelectConfig, permutations: int) -> None:
    """Refuse bands that signatures of so many values cannot be cut into."""
    near = config.near_duplicates
    if near and near.bands != "auto" and permutations % near.bands:
        raise RefusedInput(
            f"select.near_duplicates.bands={near.bands} does not divide measure.signature.permutations="
            f"{permutations}; take a divisor."
        )


def _apply_lists(
    config: SelectConfig, documents: Path, funnel: Funnel
) -> tuple[NDArray[np.bool_], NDArray[np.int64], dict[str, dict[str, Any]]]:
    """Drop what `drop` lists, and what has the same text: one copy would come in for another.

    Returns which documents `keep` lists (N,), those that `drop` does, and what was found of both lists.
    """
    ledger = funnel.ledger
    ids, listed = ledger.id_column, {}
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, given in (("drop", config.drop), ("keep", config.keep)):
        values = pa.array([bytes.fromhex(one.removeprefix("doc:")) for one in dict.fromkeys(given)], pa.binary(16))
        masks[name] = pc.is_in(ids, value_set=values).to_numpy(zero_copy_only=False)
        if given:
            listed[name] = {"listed": len(values), "found": int(masks[name].sum())}
    rows, gone = np.flatnonzero(masks["drop"]), masks["drop"]
    if config.drop:
        ledger.drop(rows, "drop", reason="listed in select.drop")
        texts = read_documents(documents, ["text_digest"])["text_digest"].combine_chunks()
        copied = pc.index_in(texts, value_set=texts.take(pa.array(rows)))
        copies = np.flatnonzero(copied.is_valid().to_numpy(zero_copy_only=False) & ~gone)
        originals = rows[copied.take(pa.array(copies)).to_numpy()]
        ledger.drop(copies, "drop", reason="same text as one listed in select.drop", matched=ledger.ids[originals])
        listed["drop"]["same_text"] = len(copies)
        gone = ~ledger.kept
        funnel.add("drop", gone)
    return masks["keep"] & ~gone, rows, listed


def listed_told(name: str, listed: dict[str, Any]) -> str:
    """What was found of the list `keep` or `drop`, in a line."""
    missing, note = listed["listed"] - listed["found"], ""
    if missing:
        note += f"; {missing} are of no document that comes here"
    if listed.get("same_text"):
        note += f"; {listed['same_text']} other documents have the text of a listed one, and go as well"
    if listed.get("near"):
        names = ", ".join(twin["document"] for twin in listed["twins"][:SAMPLES])
        more = ", …" if listed["near"] > SAMPLES else ""
        note += f"; {listed['near']} kept documents are near-duplicates of listed ones ({names}{more})"
    return f"select.{name}: {listed['listed']} ids{note}"


def _told_twins(twins: list[tuple[int, int, float]], ledger: Ledger) -> dict[str, Any]:
    """How many kept documents are near what `drop` lists, and some of them, the most alike first."""
    most = sorted(twins, key=lambda twin: (-twin[2], twin[0]))[:TWINS]
    named = [
        {"document": ledger.reference(row), "like": ledger.reference(other), "jaccard": jaccard}
        for row, other, jaccard in most
    ]
    return {"near": len(twins), "twins": named}


def _apply_rules(
    rules: Sequence[Step],
    measured: Measured,
    population: Measured,
    good: Measured,
    funnel: Funnel,
    wanted: NDArray[np.bool_],
) -> None:
    """The first rule that drops a document is its reason; what each would drop alone is counted beside it.

    So is how many of the labelled training texts, of which `good` holds the statistics, would fall to it. Quantiles are
    those of `population`.
    """
    ledger = funnel.ledger
    for name, rule in ((step.name, step.rule) for step in rules):
        verdict = judge(rule, measured, population)
        first = verdict.drop & ledger.kept & ~wanted & (not rule.report_only)
        dropped = np.flatnonzero(first)
        ledger.drop(
            dropped,
            name,
            reason=np.array(verdict.reasons, object)[verdict.reason[dropped]],
            value=verdict.value[dropped],
            threshold=verdict.threshold[dropped],
        )
        alone = {"documents": int(verdict.drop.sum()), "bytes": int(funnel.sizes[verdict.drop].sum())}
        more: dict[str, Any] = {} if isinstance(rule, MODEL_RULES) else {"labelled": cost([rule], good)}
        if verdict.fitted:
            more["fitted"] = list(verdict.fitted)
        if rule.report_only:
            more["samples"] = _samples(ledger, verdict, measured["language"])
        more["bounds"] = [
            {"measure": bound.measure, "at": bound.value(rule), "upper": bound.upper} for bound in bounds(rule)
        ]
        funnel.add(name, first, alone=alone, report_only=rule.report_only, kind=rule.kind, sources=rule.sources, **more)


def _samples(ledger: Ledger, verdict: Verdict, languages: NDArray[np.object_]) -> dict[str, list[dict[str, Any]]]:
    """By reason some documents that a rule would drop: the first in order of id, which is a hash."""
    rows = [np.flatnonzero(verdict.drop & (verdict.reason == at))[:SAMPLES] for at in range(len(verdict.reasons))]
    return {
        reason: [
            {
                "document": ledger.reference(row),
                "language": str(languages[row]),
                "value": _number(verdict.value[row]),
                "threshold": _number(verdict.threshold[row]),
            }
            for row in found.tolist()
        ]
        for reason, found in zip(verdict.reasons, rows, strict=True)
        if len(found)
    }


def _number(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _cut_passages(
    config: SelectConfig, documents: Path, decided: Decided, out: Path, memory: int, edits: Sequence[Edit]
) -> Passages:
    """Find passages that repeat others, and drop documents of which nothing else is left; `_kept` cuts the rest."""
    ledger, funnel = decided.ledger, decided.funnel
    settings, none = config.repeated_passages, Passages.none(len(ledger.kept))
    if settings is None:
        return none
    ids = ledger.id_column
    order = order_of(config, decided.measured, ledger.kept, decided.wanted)
    found = find_passages(settings, partial(texts_of, documents, ledger.kept.copy()), order, ids, out, memory, edits)
    figures = found.figures(funnel.sizes, report_only=settings.report_only)
    taken = none if settings.report_only else found
    emptied = np.flatnonzero(taken.emptied)
    matched = [ids[taken.cuts[row][0].document].as_py() for row in emptied.tolist()]
    ledger.drop(emptied, "repeated_passages", reason="all of it stands in other documents", matched=matched)
    taken.cut[emptied] = 0
    funnel.add("repeated_passages", taken.emptied, taken.cut, **figures)
    if not settings.report_only:
        found.write(out / "cuts.parquet", ids)
    return taken


def _kept(documents: Path, kept: NDArray[np.bool_], passages: Passages) -> Iterator[pa.Table]:
    row = 0
    for batch in iter_documents(documents):
        left = passages.applied(batch, row).filter(pa.array(kept[row : row + batch.num_rows]))
        yield pa.Table.from_batches([left])
        row += batch.num_rows


def _languages(languages: pa.DictionaryArray, kept: NDArray[np.bool_]) -> dict[str, int]:
    """Kept documents by language, the most frequent first; from the 21st on together, as `other`."""
    found = np.bincount(languages.indices.to_numpy()[kept], minlength=len(languages.dictionary))
    names, counts = np.array(languages.dictionary.to_pylist())[found > 0], found[found > 0]
    order = np.lexsort((names, -counts))
    most = dict(zip(names[order[:20]].tolist(), counts[order[:20]].tolist(), strict=True))
    rest = int(counts[order[20:]].sum())
    return most | ({"other": rest} if rest else {})


def _account(kept: NDArray[np.bool_], sizes: NDArray[np.int64], cut: NDArray[np.int64]) -> Account:
    return Account(
        documents_in=len(kept),
        documents_kept=int(kept.sum()),
        documents_dropped=int((~kept).sum()),
        bytes_in=int(sizes.sum()),
        bytes_kept=int(sizes[kept].sum() - cut.sum()),
        bytes_dropped=int(sizes[~kept].sum()),
        bytes_cut=int(cut.sum()),
    ).check()


def _by_source(funnel: Funnel, kept: NDArray[np.bool_], cut: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    figures = {}
    for name, place in sorted((name, place) for place, name in enumerate(funnel.names)):
        own = funnel.sources == place
        account = _account(kept[own], funnel.sizes[own], cut[own])
        figures[name] = account.model_dump(include={"documents_in", "documents_kept", "bytes_in", "bytes_kept"})
    return figures
