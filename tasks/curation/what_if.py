"""What another setting of `select` would move: decided again from stored measures, signatures and ledger.

Rules read the measures, and duplicates are walked anew over the stored signatures; texts are read only where something
new is to be compared. What leaked a held-out text in the ledger leaks again, unless `decontaminate` itself is changed.
Repeated passages, which come last, are left out of the answer: a document of which they left nothing counts as kept.
Nothing is measured, trained, fitted or written, so the answer is what `select` would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.clean import CleanConfig
from pipeline_config.rule_presets import Step
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import documents_at, reference
from tasks.corpus.redaction.settings import excerpt
from tasks.curation.decontamination import Before, HeldOutTexts, training_texts
from tasks.curation.selection import check_bands, decide
from tasks.runtime.artifact import CleanCorpus, Corpus, LabelledData, Measures, RawCorpus
from tasks.runtime.errors import RefusedInput

MOVES = ("kept to dropped", "dropped to kept", "dropped by another step")
EXCERPT = 400
PASSAGES = "repeated_passages"
INDEX_MEMORY = 1 << 30
"""Bytes that the index of near-duplicates takes before it goes on in files."""


@dataclass(frozen=True)
class Sample:
    document: str
    """`doc:<hex>`."""
    source: str
    step: str
    """What drops it: after the change, or (of one that would be kept) before."""
    reason: str
    value: float | None
    threshold: float | None
    matched: str
    """`doc:<hex>` of what it repeats; empty where it repeats nothing."""
    excerpt: str
    """The beginning of its text, masked as clean's edits do in any source."""


@dataclass(frozen=True)
class WhatIf:
    steps: list[dict[str, Any]]
    """In the order of the new decisions, old ones that are gone last: `step`, `first` and (of rules) `alone`, each
    `before` and `after` with `documents` and `bytes`; null where there is no such step."""
    kept: dict[str, dict[str, int]]
    """`before` and `after`: `documents`, `bytes`."""
    moves: dict[str, dict[str, Any]]
    """By move: `documents`, `bytes`, and `by_step` the documents by the step that drops them (or dropped them)."""
    samples: dict[str, list[Sample]]
    """By move, those with the lowest ids of each step in turn."""
    losses: list[str]
    """What would stop a run with these settings (`accept_losses`)."""
    listed: dict[str, dict[str, Any]]
    """What is found of the lists `keep` and `drop`, where they are given."""
    left_out: list[str]
    """Steps that take something in a run and that nothing here counts, before or after."""


def what_if(
    config: SelectConfig,
    rules: tuple[Step, ...],
    clean: CleanCorpus,
    measures: Measures,
    labels: LabelledData,
    corpus: Corpus,
    benchmarks: RawCorpus | None,
    scratch: Path,
    *,
    samples: int,
) -> WhatIf:
    """What `config` would move against the selection `corpus`, which was made from the other artifacts.

    `rules` judge, as they are, in place of those of the config; `scratch` is an empty folder.

    Raises:
        RefusedInput: the bands do not fit the signatures, a source is named that is none, or repeated passages are
            changed.
    """
    old, signature = SelectConfig.model_validate(corpus.config), measures.config["signature"]
    check_bands(config, signature["permutations"])
    passages = config.repeated_passages
    if passages != old.repeated_passages:
        raise RefusedInput(
            "select.repeated_passages looks into texts, what-if answers for steps that take whole documents. For its "
            "cost and samples: textmill run --until select select.repeated_passages.report_only=true"
        )
    named = {*config.priority, *(name for step in rules for name in step.rule.sources)}
    before_named = {*old.priority, *(name for rule in old.rules for name in rule.sources)}
    unknown = named - before_named - set(corpus.metrics["sources"])
    if unknown:
        there = ", ".join(corpus.metrics["sources"])
        raise RefusedInput(
            f"priority or a rule names {min(unknown)!r}, which is no source of this corpus. There are: {there}."
        )
    before = pq.read_table(corpus.path / "ledger.parquet")
    edits = CleanConfig.model_validate(clean.config).edits
    decided = decide(
        config,
        clean.path / "documents",
        measures.path,
        signature["shingle_size"],
        HeldOutTexts.read(config.decontaminate, edits, labels, benchmarks),
        training_texts(labels.path / "data"),
        scratch,
        INDEX_MEMORY,
        rules=rules,
        before=Before(before) if config.decontaminate == old.decontaminate else None,
        guarded=False,
    )
    after, sizes = decided.ledger.table(), decided.funnel.sizes
    one, other = (np.array(table["step"].to_pylist(), object) for table in (before, after))
    was, will = (np.array(table["decision"].to_pylist()) == "kept" for table in (before, after))
    was |= one == PASSAGES
    masks = dict(zip(MOVES, (was & ~will, ~was & will, ~was & ~will & (one != other)), strict=True))
    moves, shown = {}, {}
    for move, mask in masks.items():
        by = one if move == "dropped to kept" else other
        names, counts = np.unique(by[mask].astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        by_step = dict(zip(names[order].tolist(), counts[order].tolist(), strict=True))
        moves[move] = {**_figures(mask, sizes), "by_step": by_step}
        rows = _some(mask, by, samples)
        table = (before if move == "dropped to kept" else after).take(rows).to_pylist()
        texts = documents_at(clean.path / "documents", rows.tolist())
        shown[move] = [
            Sample(
                reference(row["id"]),
                row["source"],
                row["step"],
                row["reason"],
                row["value"],
                row["threshold"],
                reference(row["matched_id"]) if row["matched_id"] else "",
                excerpt(texts[at]["text"], edits, EXCERPT),
            )
            for at, row in zip(rows.tolist(), table, strict=True)
        ]
    return WhatIf(
        steps=_steps(corpus.metrics["steps"], decided.funnel.steps),
        kept={"before": _figures(was, sizes), "after": _figures(will, sizes)},
        moves=moves,
        samples=shown,
        losses=[phrase for found in decided.funnel.losses.values() for phrase in found],
        listed=decided.listed,
        left_out=[PASSAGES] if passages and not passages.report_only else [],
    )


def _figures(mask: NDArray[np.bool_], sizes: NDArray[np.int64]) -> dict[str, int]:
    return {"documents": int(mask.sum()), "bytes": int(sizes[mask].sum())}


def _some(mask: NDArray[np.bool_], by: NDArray[np.object_], most: int) -> NDArray[np.int64]:
    """Rows of the mask: the first of each step, then the second of each, and so on; rows are in order of id, a hash."""
    rows = np.flatnonzero(mask)
    names, codes = np.unique(by[rows].astype(str), return_inverse=True)
    turn = np.zeros(len(rows), np.int64)
    for code in range(len(names)):
        turn[codes == code] = np.arange((codes == code).sum())
    return np.sort(rows[np.argsort(turn, kind="stable")[:most]])


def _steps(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    earlier, later = ({row["step"]: row for row in rows if row["step"] != PASSAGES} for rows in (before, after))

    def side(row: dict[str, Any] | None, key: str) -> dict[str, int] | None:
        figures = row.get(key) if row and key else row
        return {name: figures[name] for name in ("documents", "bytes")} if figures else None

    return [
        {
            "step": name,
            "report_only": bool(later.get(name, earlier.get(name, {})).get("report_only")),
            "first": {"before": side(earlier.get(name), ""), "after": side(later.get(name), "")},
            "alone": {"before": side(earlier.get(name), "alone"), "after": side(later.get(name), "alone")},
        }
        for name in dict.fromkeys((*later, *earlier))
    ]
