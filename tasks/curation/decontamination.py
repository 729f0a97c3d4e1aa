"""Decontamination in select: no text that a model is judged by, or that is listed as a benchmark, stays."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_config.clean import Edit
from pipeline_config.selection import DecontaminateConfig
from tasks.corpus.document import read_documents
from tasks.curation.editing import apply_batch
from tasks.curation.funnel import Funnel
from tasks.curation.ledger import Ledger
from tasks.curation.texts import texts_of
from tasks.dedup.containment import NONE, HeldOut, find_leaks, index_held_out
from tasks.dedup.words import Words, hash_words
from tasks.runtime.artifact import LabelledData, RawCorpus

AFTER_RULES = ["decontaminate", "exact", "near", "repeated_passages"]
"""The steps after the rules, in their order."""

CONTAINMENTS = (0.3, 0.5, 0.8)
"""Shares of a held-out text's n-grams whose cost is shown beside that of the config."""


@dataclass(frozen=True)
class HeldOutTexts:
    """Labelled validation and test texts, and benchmarks, in all their readings; an id as in `tasks.corpus.document`.

    The corpus is compared as its edits leave it. So a text is there as it is and, where they change its words, as they
    leave it in a document of any source; and so is each field of a benchmark's record that is long enough for n-grams.
    """

    ids: list[bytes]
    texts: list[str]
    groups: list[int]
    """Negative for benchmarks, one number for each: nothing says which of their records belong together."""
    splits: list[str]
    """`validation`, `test`, or `benchmark NAME`."""
    first: list[int]
    """Of each text the place of the first reading of the same one."""

    @staticmethod
    def read(
        config: DecontaminateConfig, edits: Sequence[Edit], labels: LabelledData, benchmarks: RawCorpus | None = None
    ) -> HeldOutTexts:
        """`edits` are those of the corpus; the ones that count what stands in all of it change nothing here."""
        held_out = HeldOutTexts([], [], [], [], [])
        for split in ("validation", "test"):
            rows = list(_labelled(labels.path / "data" / split, ["id", "text", "group"]))
            for row, readings in zip(rows, _readings([[row["text"]] for row in rows], edits, config), strict=True):
                held_out._add(bytes.fromhex(row["id"]), readings, row["group"], split)
        named = (
            read_documents(benchmarks.path / "documents", ["id", "source", "text", "metadata"]).to_pylist()
            if benchmarks
            else []
        )
        numbers = {name: NONE - at for at, name in enumerate(dict.fromkeys(row["source"] for row in named))}
        for row, readings in zip(named, _readings(_fields(named, config), edits, config), strict=True):
            held_out._add(row["id"], readings, numbers[row["source"]], f"benchmark {row['source']}")
        return held_out

    def index(self, config: DecontaminateConfig, shingle_size: int) -> HeldOut:
        return index_held_out(
            self.texts,
            self.groups,
            first=self.first,
            size=config.ngram_size,
            minimum_words=config.min_words,
            boilerplate_groups=config.boilerplate_groups,
            shingle_size=shingle_size,
        )

    def _add(self, document: bytes, readings: list[str], group: int, split: str) -> None:
        count = len(readings)
        self.first.extend([len(self.texts)] * count)
        self.texts.extend(readings)
        self.ids.extend([document] * count)
        self.groups.extend([group] * count)
        self.splits.extend([split] * count)


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
    index = held_out.index(config, shingle_size)
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
        "held_out_texts": len(set(held_out.first)),
        "boilerplate_ngrams": index.boilerplate,
        "hits": dict(sorted(hits.items())),
        "cost": [
            {"containment": containment, "documents": int(lost.sum()), "bytes": int(funnel.sizes[lost].sum())}
            for containment, lost in costs
        ],
    }


def _fields(records: list[dict[str, Any]], config: DecontaminateConfig) -> list[list[str]]:
    """The text of each record and, where it was joined, the fields that it was joined of.

    A field that most records of a benchmark have in common is a prompt or a notice, and left out.
    """
    split: list[list[str]] = []
    for record in records:
        text, sizes = record["text"], json.loads(record["metadata"]).get("fields", [])
        gap = (len(text) - sum(sizes)) // max(1, len(sizes) - 1)
        starts = accumulate((size + gap for size in sizes), initial=0)
        split.append([text, *(text[start : start + size] for start, size in zip(starts, sizes, strict=False))])
    records_of = Counter(record["source"] for record in records)
    holding = Counter(
        (record["source"], field) for record, (_, *fields) in zip(records, split, strict=True) for field in set(fields)
    )

    def common(source: str, field: str) -> bool:
        return holding[source, field] > max(config.boilerplate_groups, records_of[source] / 2)

    return [
        [text, *(field for field in fields if not common(record["source"], field))]
        for record, (text, *fields) in zip(records, split, strict=True)
    ]


def _readings(fields: list[list[str]], edits: Sequence[Edit], config: DecontaminateConfig) -> Iterator[list[str]]:
    """Of texts, each with its fields behind it, the readings of different words, the text itself first.

    What has fewer words than an n-gram stands in many a document that holds no text: no such field is looked for, nor
    such a rest of a text of which edits take more than half of the words.
    """
    named = ("", *sorted({source for edit in edits for source in edit.sources}))
    applied = {tuple(not edit.sources or source in edit.sources for edit in edits): source for source in named}
    columns = [list(chain.from_iterable(fields))]
    for source in applied.values():
        columns.append([text for text, _ in apply_batch(edits, [source] * len(columns[0]), columns[0])])
    words = [hash_words(column) for column in columns]
    was = words[0].counts
    row = 0
    for own in fields:
        readings = {_key(words[0], row): own[0]}
        for place in range(row, row + len(own)):
            if place > row and was[place] < config.ngram_size:
                continue
            for column, now in zip(columns, words, strict=True):
                if now.counts[place] >= min(config.ngram_size, max(1, was[place] / 2)):
                    readings.setdefault(_key(now, place), column[place])
        row += len(own)
        yield list(readings.values())


def _key(words: Words, row: int) -> bytes:
    return words.hashes[words.offsets[row] : words.offsets[row + 1]].tobytes()


def _labelled(split: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a split, from its files: the library that wrote them takes two seconds to load."""
    for path in sorted(split.glob("*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield from stream.read_all().select(columns).to_pylist()
