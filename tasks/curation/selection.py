"""Select: decisions only. Rules, decontamination (leak safety first), exact and near duplicates, repeated passages.

So every duplicate that is dropped names a document that is kept, and no held-out text decides which copy stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.rule_presets import Step, steps
from pipeline_config.selection import MODEL_RULES, DecontaminateConfig, NearDuplicatesConfig, SelectConfig
from tasks.corpus.account import Account
from tasks.corpus.document import (
    BATCH_BYTES,
    fixed_digests,
    iter_documents,
    read_documents,
    write_sorted,
)
from tasks.curation.bounds import bounds
from tasks.curation.domain import Fitted, cost, fit, write_rules
from tasks.curation.judge import judge
from tasks.curation.ledger import Ledger
from tasks.curation.losses import complaint, losses
from tasks.curation.measure import ROWS, SIGNATURES, TABLE
from tasks.curation.measured import MeasuredColumns
from tasks.curation.measures.statistics import statistics
from tasks.curation.passages import Passages, find_passages
from tasks.curation.rules.verdict import Measured, Verdict
from tasks.dedup.bands import bands_of
from tasks.dedup.components import components
from tasks.dedup.containment import NONE, HeldOut, find_leaks, index_held_out
from tasks.dedup.scratch import Scratch
from tasks.dedup.signatures import band_keys
from tasks.dedup.walk import KEPT, Walked, find_near_duplicates
from tasks.runtime.errors import RefusedInput, StageFailed

NAMES = ["source", "language"]  # columns of few different texts
SAMPLES = 10  # of each reason, for rules that drop nothing
AFTER_RULES = ["decontaminate", "exact", "near", "repeated_passages"]
"""The steps after the rules, in their order."""

CONTAINMENTS = (0.3, 0.5, 0.8)
"""Shares of a held-out text's n-grams whose cost is shown beside that of the config."""


@dataclass(frozen=True)
class HeldOutTexts:
    """Labelled validation and test texts, and benchmarks; a text's id as in `tasks.corpus.document`."""

    ids: list[bytes]
    texts: list[str]
    groups: list[int]
    splits: list[str]
    """`validation`, `test`, or `benchmark NAME`."""

    @staticmethod
    def read(folder: Path, benchmarks: Path | None = None) -> HeldOutTexts:
        """From a `DatasetDict` on disk (columns id in hex, text, group), and of documents, each its own group."""
        rows = [
            (row, split)
            for split in ("validation", "test")
            for row in _labelled(folder / split, ["id", "text", "group"])
        ]
        named = read_documents(benchmarks, ["id", "source", "text"]).to_pylist() if benchmarks else []
        groups = [row["group"] for row, _ in rows]
        first = max(groups, default=-1) + 1
        return HeldOutTexts(
            ids=[bytes.fromhex(row["id"]) for row, _ in rows] + [row["id"] for row in named],
            texts=[row["text"] for row, _ in rows] + [row["text"] for row in named],
            groups=groups + list(range(first, first + len(named))),
            splits=[split for _, split in rows] + [f"benchmark {row['source']}" for row in named],
        )


@dataclass(frozen=True)
class Before:
    """What the ledger of an earlier selection of the same documents, decontaminated alike, knows of leaks."""

    table: pa.Table

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(N,) which documents came as far as decontamination."""
        step = self.table["step"]
        came = pc.or_(pc.equal(self.table["decision"], "kept"), pc.is_in(step, value_set=pa.array(AFTER_RULES)))
        return np.array(came.combine_chunks().to_numpy(zero_copy_only=False), bool)

    def repeat(self, ledger: Ledger) -> NDArray[np.bool_]:
        """Drop from `ledger` what leaked then and is still there; (N,) which that is."""
        leaked = pc.fill_null(pc.equal(self.table["step"], "decontaminate"), False).to_numpy(zero_copy_only=False)
        leaking: NDArray[np.bool_] = leaked & ledger.kept
        rows = np.flatnonzero(leaking)
        known = self.table.take(pa.array(rows))
        number = {name: np.array(known[name].to_pylist(), np.float64) for name in ("value", "threshold", "jaccard")}
        reasons, matched = np.array(known["reason"].to_pylist(), object), _objects(known["matched_id"].to_pylist())
        ledger.drop(rows, "decontaminate", reason=reasons, matched=matched, **number)
        return leaking


def training_texts(folder: Path) -> list[str]:
    """The labelled training texts of a `DatasetDict`, as in `HeldOutTexts.read`: text that is known to be wanted."""
    return [row["text"] for row in _labelled(folder / "train", ["text"])]


@dataclass
class Funnel:
    """Documents and bytes by step, and what a step takes too much of."""

    ledger: Ledger
    sizes: NDArray[np.int64]
    """(N,) UTF-8 bytes of each document."""
    sources: NDArray[np.int64]
    """(N,) index into `names`."""
    names: list[str]
    accepted: tuple[str, ...] = ()
    """Steps that may take what they take."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    losses: dict[str, list[str]] = field(default_factory=dict)
    """By step that is not accepted."""

    def add(self, step: str, dropped: NDArray[np.bool_], **more: Any) -> None:
        figures = {"documents": int(dropped.sum()), "bytes": int(self.sizes[dropped].sum())}
        self.steps.append({"step": step, **figures, **more})
        found = losses(step, dropped, self.sizes, self.sources, self.names)
        if found and step not in self.accepted:
            self.losses[step] = found

    def check(self) -> None:
        """
        Raises:
            StageFailed: a step takes more than is accepted.
        """
        if self.losses:
            raise StageFailed(complaint([phrase for found in self.losses.values() for phrase in found], self.losses))


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
    listed: dict[str, dict[str, int]]
    """Of `keep` and `drop`, where they are given: ids listed, and how many of them are documents."""


def run(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    shingle_size: int,
    held_out: HeldOutTexts,
    training: list[str],
    out: Path,
    index_memory: int,
) -> dict[str, Any]:
    """Decide about the documents of a folder; write `out/documents`, `out/ledger.parquet` and `out/rules.json` (what
    judged, thresholds as fitted), return the metrics.

    `shingle_size` is the number of words that the signatures in `measures` were made with; `training` are the labelled
    training texts, to which thresholds are fitted and that tell what each rule costs; `index_memory` the bytes that the
    index of near-duplicates takes before it goes on in files under `out`.

    Raises:
        StageFailed: a step takes more than `config.accept_losses` accepts.
    """
    decided = decide(config, documents, measures, shingle_size, held_out, training, out, index_memory)
    ledger, funnel = decided.ledger, decided.funnel
    passages = _cut_passages(config, documents, decided, out, index_memory)
    funnel.check()
    write_rules(decided.rules, out)
    ledger.group(_components(config, measures, ledger.kept))
    ledger.write(out / "ledger.parquet")
    account = _account(ledger.kept, funnel.sizes, passages.cut)
    write_sorted(out / "documents", _kept(documents, ledger.kept, passages), account.bytes_kept)
    return {
        "account": account.model_dump(),
        "steps": funnel.steps,
        "sources": _by_source(np.array(funnel.names, object)[funnel.sources], ledger.kept, funnel.sizes, passages.cut),
        "languages": _languages(decided.measured["language"], ledger.kept),
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
    sources, languages = (table[name].unify_dictionaries().combine_chunks() for name in NAMES)
    ledger = Ledger(ids, sources, languages)
    places, names = sources.indices.to_numpy(), sources.dictionary.to_pylist()
    funnel = Funnel(ledger, measured["bytes"], places, names, config.accept_losses)

    wanted, listed = _apply_lists(config, ids, funnel)
    good = statistics(training)
    fitted: tuple[Fitted, ...] = ()
    if rules is None:
        rules, fitted = fit(steps(config.rules), good, measured)
    _apply_rules(rules, measured, good, funnel, wanted)
    if guarded:  # before the costly steps
        funnel.check()
    decontaminated = _decontaminate(config.decontaminate, documents, shingle_size, held_out, funnel, before)
    with Scratch(scratch_folder, index_memory) as scratch:
        _drop_duplicates(config, documents, measures, measured, shingle_size, funnel, wanted, scratch)
    if guarded:
        funnel.check()
    ledger.keep(np.flatnonzero(wanted & ledger.kept), "keep", reason="listed in select.keep")
    return Decided(ledger, funnel, measured, wanted, rules, fitted, decontaminated, listed)


def _components(config: SelectConfig, measures: Path, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`components` of the kept documents, by the bands that near-duplicates are (or would by default be) found by."""
    signatures = np.load(measures / SIGNATURES, mmap_mode="r")
    shape = bands_of(config.near_duplicates or NearDuplicatesConfig(bands="auto"), signatures.shape[1])
    return components(band_keys(signatures[kept], shape.bands, shape.rows))


def check_bands(config: SelectConfig, permutations: int) -> None:
    """Refuse bands that signatures of so many values cannot be cut into."""
    near = config.near_duplicates
    if near and near.bands != "auto" and permutations % near.bands:
        raise RefusedInput(
            f"select.near_duplicates.bands={near.bands} does not divide measure.signature.permutations="
            f"{permutations}; take a divisor."
        )


def _apply_lists(
    config: SelectConfig, ids: pa.Array, funnel: Funnel
) -> tuple[NDArray[np.bool_], dict[str, dict[str, int]]]:
    """Drop what `drop` lists; return which documents `keep` does (N,), and what was found of both lists."""
    masks, listed = {}, {}
    for name, given in (("drop", config.drop), ("keep", config.keep)):
        values = pa.array([bytes.fromhex(one.removeprefix("doc:")) for one in dict.fromkeys(given)], pa.binary(16))
        masks[name] = pc.is_in(ids, value_set=values).to_numpy(zero_copy_only=False)
        if given:
            listed[name] = {"listed": len(values), "found": int(masks[name].sum())}
    if config.drop:
        funnel.ledger.drop(np.flatnonzero(masks["drop"]), "drop", reason="listed in select.drop")
        funnel.add("drop", masks["drop"])
    return masks["keep"] & ~masks["drop"], listed


def _apply_rules(
    rules: Sequence[Step], measured: Measured, good: Measured, funnel: Funnel, wanted: NDArray[np.bool_]
) -> None:
    """The first rule that drops a document is its reason; what each would drop alone is counted beside it.

    So is how many of the labelled training texts, of which `good` holds the statistics, would fall to it.
    """
    ledger = funnel.ledger
    for name, rule in ((step.name, step.rule) for step in rules):
        verdict = judge(rule, measured)
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
            more["samples"] = _samples(ledger, verdict)
        more["bounds"] = [
            {"measure": bound.measure, "at": bound.value(rule), "upper": bound.upper} for bound in bounds(rule)
        ]
        funnel.add(name, first, alone=alone, report_only=rule.report_only, kind=rule.kind, sources=rule.sources, **more)


def _samples(ledger: Ledger, verdict: Verdict) -> dict[str, list[str]]:
    """By reason some documents that a rule would drop: the first in order of id, which is a hash."""
    rows = [np.flatnonzero(verdict.drop & (verdict.reason == at))[:SAMPLES] for at in range(len(verdict.reasons))]
    named = zip(verdict.reasons, rows, strict=True)
    return {reason: [ledger.reference(row) for row in found.tolist()] for reason, found in named if len(found)}


def _decontaminate(
    config: DecontaminateConfig,
    documents: Path,
    shingle_size: int,
    held_out: HeldOutTexts,
    funnel: Funnel,
    before: Before | None,
) -> dict[str, Any]:
    """Drop what leaks. Returns figures: documents that hold a text of each split, and the cost of other thresholds."""
    ledger = funnel.ledger
    leaking = before.repeat(ledger) if before else np.zeros(len(ledger.kept), bool)
    unknown = ledger.kept & ~before.judged if before else ledger.kept
    index: HeldOut = index_held_out(
        held_out.texts,
        held_out.groups,
        size=config.ngram_size,
        minimum_words=config.min_words,
        boilerplate_groups=config.boilerplate_groups,
        shingle_size=shingle_size,
    )
    shares, alike = np.zeros(len(ledger.kept)), np.zeros(len(ledger.kept), bool)
    hits: Counter[str] = Counter()
    for rows, texts in _texts(documents, unknown):
        leaks = find_leaks(index, texts, share=config.containment, jaccard=config.jaccard)
        shares[rows], alike[rows] = leaks.share, leaks.jaccard >= config.jaccard
        found = np.flatnonzero(leaks.text != NONE)
        by_share = leaks.share[found] >= config.containment
        splits = [held_out.splits[text] for text in leaks.text[found]]
        hits.update(splits)
        reasons = [
            f"leak: holds n-grams of a {split} text" if share else f"leak: resembles a {split} text"
            for split, share in zip(splits, by_share, strict=True)
        ]
        ledger.drop(
            rows[found],
            "decontaminate",
            reason=np.array(reasons, object),
            value=np.where(by_share, leaks.share[found], leaks.jaccard[found]),
            threshold=np.where(by_share, config.containment, config.jaccard),
            matched=_objects([held_out.ids[text] for text in leaks.text[found]]),
            jaccard=np.where(by_share, np.nan, leaks.jaccard[found]),
        )
        leaking[rows[found]] = True
    funnel.add("decontaminate", leaking)
    costs = [(containment, alike | (shares >= containment)) for containment in CONTAINMENTS]
    return {
        "held_out_texts": len(held_out.texts),
        "boilerplate_ngrams": index.boilerplate,
        "hits": dict(sorted(hits.items())),
        "cost": [
            {"containment": containment, "documents": int(lost.sum()), "bytes": int(funnel.sizes[lost].sum())}
            for containment, lost in costs
        ],
    }


def _drop_duplicates(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    measured: Measured,
    shingle_size: int,
    funnel: Funnel,
    wanted: NDArray[np.bool_],
    scratch: Scratch,
) -> None:
    """One document of each text goes on the walk; when it is dropped there, so are its copies, but none of `wanted`."""
    ledger = funnel.ledger
    order = _order(config, measured, ledger.kept, wanted)
    keeper = np.arange(len(ledger.kept))
    if config.exact_duplicates:
        keeper[order] = _first_of_equal(_digests(documents), order)
    leaders = order[keeper[order] == order]
    walked = Walked(np.full(len(keeper), KEPT, np.int64), np.zeros(len(keeper)))
    figures: dict[str, Any] = {}
    near = config.near_duplicates
    if near:
        walked, figures = _near(near, documents, measures, measured["shingle_words"], leaders, shingle_size, scratch)
    ids = ledger.ids

    final = walked.matched[keeper]
    is_near = ledger.kept & ~wanted & (final != KEPT)
    is_exact = ledger.kept & ~wanted & (final == KEPT) & (keeper != np.arange(len(keeper)))
    exact, near_rows = np.flatnonzero(is_exact), np.flatnonzero(is_near)
    ledger.drop(exact, "exact", reason="exact duplicate", matched=ids[keeper[exact]], jaccard=1.0)
    scores = walked.jaccard[keeper[near_rows]]
    threshold = near.threshold if near else np.nan
    ledger.drop(
        near_rows,
        "near",
        reason="near-duplicate",
        value=scores,
        threshold=threshold,
        matched=ids[final[near_rows]],
        jaccard=scores,
    )
    funnel.add("exact", is_exact)
    for bucket in figures.get("large_buckets", ()):
        bucket["first"] = ledger.reference(bucket["first"])
    funnel.add("near", is_near, **figures)


def _near(
    config: NearDuplicatesConfig,
    documents: Path,
    measures: Path,
    words: NDArray[np.int64],
    leaders: NDArray[np.int64],
    shingle_size: int,
    scratch: Scratch,
) -> tuple[Walked, dict[str, Any]]:
    """The walk over `leaders`, in their order, and its figures."""
    signatures = np.load(measures / SIGNATURES, mmap_mode="r")
    shape = bands_of(config, signatures.shape[1])
    walked = find_near_duplicates(
        leaders,
        words,
        signatures,
        partial(_texts, documents),
        scratch,
        shape=shape,
        shingle_size=shingle_size,
        threshold=config.threshold,
        minimum_words=config.min_words,
        max_bucket=config.max_bucket,
    )
    figures = {
        "bands": shape.bands,
        "rows": shape.rows,
        "recall": [list(point) for point in shape.curve()],
        "candidates": walked.candidates,
        "verified_pairs": walked.verified,
        "large_buckets": [vars(bucket) for bucket in walked.large],
    }
    return walked, figures


def _cut_passages(config: SelectConfig, documents: Path, decided: Decided, out: Path, memory: int) -> Passages:
    """Find passages that repeat others, and drop documents of which nothing else is left; `_kept` cuts the rest."""
    ledger, funnel = decided.ledger, decided.funnel
    settings, none = config.repeated_passages, Passages.none(len(ledger.kept))
    if settings is None:
        return none
    ids = ledger.id_column
    order = _order(config, decided.measured, ledger.kept, decided.wanted)
    found = find_passages(settings, partial(_texts, documents, ledger.kept.copy()), order, ids, out, memory)
    figures = found.figures(funnel.sizes, report_only=settings.report_only)
    taken = none if settings.report_only else found
    emptied = np.flatnonzero(taken.emptied)
    matched = _objects([ids[taken.cuts[row][0].document].as_py() for row in emptied.tolist()])
    ledger.drop(emptied, "repeated_passages", reason="all of it stands in other documents", matched=matched)
    taken.cut[emptied] = 0
    funnel.add("repeated_passages", taken.emptied, **figures)
    funnel.steps[-1]["bytes"] += int(taken.cut.sum())
    if not settings.report_only:
        found.write(out / "cuts.parquet", ids)
    return taken


def _order(
    config: SelectConfig, measured: Measured, kept: NDArray[np.bool_], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The kept documents: wanted ones, then by priority of source, longest text first, id (rows are in its order)."""
    priority = np.full(len(kept), len(config.priority), np.int64)
    for rank, source in enumerate(config.priority):
        priority[measured["source"] == source] = rank
    priority[wanted] = -1
    order = np.lexsort((-measured["bytes"], priority))  # stable
    return order[kept[order]]


def _first_of_equal(digests: NDArray[np.uint64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each document of `order` the earliest with the same digest (N, 2)."""
    ordered = digests[order]
    by_digest = np.lexsort((ordered[:, 1], ordered[:, 0]))  # stable: of equal ones the earliest first
    ordered = ordered[by_digest]
    begins = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(order)]
    earliest = np.empty(len(order), np.int64)
    earliest[by_digest] = order[by_digest[begins]][np.cumsum(begins) - 1]
    return earliest


def _digests(documents: Path) -> NDArray[np.uint64]:
    """(N, 2)"""
    return fixed_digests(read_documents(documents, ["text_digest"])["text_digest"])


def _texts(documents: Path, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], pa.Array]]:
    """Row numbers and texts of the wanted documents, batch by batch."""
    row = 0
    for batch in iter_documents(documents, columns=["text"], rows=ROWS, size=BATCH_BYTES):
        chosen = np.flatnonzero(wanted[row : row + batch.num_rows])
        if len(chosen):
            yield row + chosen, batch["text"].take(pa.array(chosen))
        row += batch.num_rows


def _kept(documents: Path, kept: NDArray[np.bool_], passages: Passages) -> Iterator[pa.Table]:
    row = 0
    for batch in iter_documents(documents):
        left = passages.applied(batch, row).filter(pa.array(kept[row : row + batch.num_rows]))
        yield pa.Table.from_batches([left])
        row += batch.num_rows


def _languages(codes: NDArray[np.object_], kept: NDArray[np.bool_]) -> dict[str, int]:
    """Kept documents by language, the most frequent first; from the 21st on together, as `other`."""
    names, counts = np.unique(codes[kept].astype(str), return_counts=True)
    order = np.lexsort((names, -counts))
    found = dict(zip(names[order[:20]].tolist(), counts[order[:20]].tolist(), strict=True))
    rest = int(counts[order[20:]].sum())
    return found | ({"other": rest} if rest else {})


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


def _by_source(
    sources: NDArray[np.object_], kept: NDArray[np.bool_], sizes: NDArray[np.int64], cut: NDArray[np.int64]
) -> dict[str, dict[str, int]]:
    names = pc.unique(pa.array(sources)).sort().to_pylist()
    return {
        name: {
            **_account(kept[sources == name], sizes[sources == name], cut[sources == name]).model_dump(
                include={"documents_in", "documents_kept", "bytes_in", "bytes_kept"}
            )
        }
        for name in names
    }


def _labelled(split: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a split, from its files: the library that wrote them takes two seconds to load."""
    for path in sorted(split.glob("*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield from stream.read_all().select(columns).to_pylist()


def _objects(values: list[bytes]) -> NDArray[np.object_]:
    result = np.empty(len(values), object)
    result[:] = values
    return result
