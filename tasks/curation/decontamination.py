"""Decontamination in select: no text that a model is judged by, or that is listed as a benchmark, stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_config.selection import DecontaminateConfig
from tasks.corpus.document import read_documents
from tasks.curation.funnel import Funnel
from tasks.curation.ledger import Ledger
from tasks.curation.texts import texts_of
from tasks.dedup.containment import NONE, HeldOut, find_leaks, index_held_out

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
    """`NONE` for benchmarks: nothing says which of their records belong together."""
    splits: list[str]
    """`validation`, `test`, or `benchmark NAME`."""

    @staticmethod
    def read(folder: Path, benchmarks: Path | None = None) -> HeldOutTexts:
        """From a `DatasetDict` on disk (columns id in hex, text, group), and of documents."""
        rows = [
            (row, split)
            for split in ("validation", "test")
            for row in _labelled(folder / split, ["id", "text", "group"])
        ]
        named = read_documents(benchmarks, ["id", "source", "text"]).to_pylist() if benchmarks else []
        return HeldOutTexts(
            ids=[bytes.fromhex(row["id"]) for row, _ in rows] + [row["id"] for row in named],
            texts=[row["text"] for row, _ in rows] + [row["text"] for row in named],
            groups=[row["group"] for row, _ in rows] + [NONE] * len(named),
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
        reasons, matched = np.array(known["reason"].to_pylist(), object), known["matched_id"].to_pylist()
        ledger.drop(rows, "decontaminate", reason=reasons, matched=matched, **number)
        return leaking


def training_texts(folder: Path) -> list[str]:
    """The labelled training texts of a `DatasetDict`, as in `HeldOutTexts.read`: text that is known to be wanted."""
    return [row["text"] for row in _labelled(folder / "train", ["text"])]


def decontaminate(
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
    for rows, texts in texts_of(documents, unknown):
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
            matched=[held_out.ids[text] for text in leaks.text[found]],
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


def _labelled(split: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a split, from its files: the library that wrote them takes two seconds to load."""
    for path in sorted(split.glob("*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield from stream.read_all().select(columns).to_pylist()
