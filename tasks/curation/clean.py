"""Clean: every document goes through the edits in order; each byte that they cut or insert is counted."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_config.clean import CleanConfig, Edit, RepeatedLinesConfig
from tasks.corpus import partitions
from tasks.corpus.account import Account
from tasks.corpus.document import (
    SCHEMA,
    rows_between,
    shards,
    sort_order,
    text_bytes,
    text_digest,
    text_sizes,
    write_sorted,
)
from tasks.corpus.partitions import BATCH_ROWS, Figures, Partition
from tasks.corpus.row_groups import RowGroups
from tasks.curation import line_frequencies
from tasks.curation.edit_losses import EditLosses
from tasks.curation.editing import apply_batch, asks_the_corpus, fit
from tasks.curation.line_frequencies import Frequencies
from tasks.curation.lineage import mostly, unchanged
from tasks.runtime.artifact import LINEAGE, MANIFEST, Manifest, sha256_of
from tasks.runtime.stage import Context

DOCUMENTS, CUTS_FILE, ORIGINALS_FILE = "documents.parquet", "cuts.parquet", "originals.parquet"
FREQUENCIES = "line_frequencies.parquet"

CUTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # of the edit in the config
        pa.field("edit", pa.string(), nullable=False),
        pa.field("cut", pa.int64(), nullable=False),
        pa.field("inserted", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("counts", pa.string(), nullable=False),  # replaced stretches by kind, a JSON object
        pa.field("emptied", pa.bool_(), nullable=False),  # nothing was left: the document was dropped
    ]
)
ORIGINALS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("text_digest", pa.binary(16), nullable=False),  # of the text before the edits
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)


@dataclass
class EditTotals:
    documents: int = 0
    cut: int = 0
    inserted: int = 0
    emptied: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # replaced stretches by kind, of edits that tell

    def __post_init__(self) -> None:
        self.counts = Counter(self.counts)  # of a partition that was finished before it is a JSON object

    def figures(self) -> dict[str, Any]:
        """For metrics; `counts` where there are any."""
        figures = {name: value for name, value in vars(self).items() if name != "counts"}
        return figures | ({"counts": dict(sorted(self.counts.items()))} if self.counts else {})

    def add(self, other: EditTotals) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Cleaned:
    """The figures of a cleaning; complete once the documents have been written."""

    account: Account = field(default_factory=Account)
    edits: list[EditTotals] = field(default_factory=list)
    reused: int = 0
    """Documents taken from an earlier artifact. Says how the work was done: no part of the result."""
    counted_in: str = ""
    """Fingerprint of the artifact that the line frequencies were counted in; empty: this one, or there are none."""
    losses: dict[str, list[str]] = field(default_factory=dict)
    """By edit that is not accepted: what it takes too much of."""


def run(ctx: Context, config: CleanConfig, documents: Path) -> Cleaned:
    """Clean the documents of a folder into `documents/`, `cuts.parquet` and `originals.parquet` under `ctx.out`.

    A document of which nothing but white space is left is dropped; its rows in the cuts are marked `emptied`. What the
    earlier artifact of the same settings holds of a document that has not changed is taken from there. What an edit
    asks of the whole corpus lies in `line_frequencies.parquet`; an artifact that knows most of the documents goes on
    with the counts of the earlier one, any other counts anew, and so does one that lost a document that may have kept
    the first of a line.
    """
    earlier, frequencies, counted_in = ctx.earlier, None, ""
    if asks_the_corpus(config.edits):
        frequencies = ctx.out / FREQUENCIES
        known = unchanged(earlier / ORIGINALS_FILE, documents) if earlier is not None else 0
        if earlier is not None and mostly(known, documents) and not _lost(ctx, config, known):
            shutil.copyfile(earlier / FREQUENCIES, frequencies)
            before = Manifest.model_validate_json((earlier / MANIFEST).read_bytes())
            counted_in = before.metrics.get(LINEAGE, {}).get("fitted_in", before.fingerprint)
        else:
            earlier = None
            with TemporaryDirectory(dir=ctx.out, prefix=".lines-") as spill:
                line_frequencies.write(frequencies, fit(config.edits, documents, Path(spill)))
    work = Cleaning(config, earlier, frequencies)
    state = sha256_of(frequencies) if frequencies else ""
    places = partitions.cut(documents)
    parts = partitions.run(ctx, work, places, state=state)
    cleaned = Cleaned(edits=[EditTotals() for _ in config.edits], counted_in=counted_in)
    losses = EditLosses(config.edits)
    for place, part in zip(places, parts, strict=True):
        sizes = pq.read_table(part.folder / ORIGINALS_FILE, columns=["bytes"])["bytes"]
        losses.add(place.table(["source"])["source"], sizes, pq.read_table(part.folder / CUTS_FILE))
        cleaned.account += Account(**part.figures["account"])
        cleaned.reused += part.figures["reused"]
        for totals, found in zip(cleaned.edits, part.figures["edits"], strict=True):
            totals.add(EditTotals(**found))
    cleaned.account.check()
    cleaned.losses = losses.found(config.accept_losses)
    texts = (pq.read_table(part.folder / DOCUMENTS, schema=SCHEMA) for part in parts)
    write_sorted(ctx.out / "documents", texts, cleaned.account.bytes_kept)
    for name, schema in ((CUTS_FILE, CUTS), (ORIGINALS_FILE, ORIGINALS)):
        with RowGroups(ctx.out / name, schema) as rows:
            for part in parts:
                rows.write(pq.read_table(part.folder / name))
    return cleaned


def _lost(ctx: Context, config: CleanConfig, known: int) -> int:
    """How many documents are gone or changed since the earlier artifact, of which so many are left, where one of them
    may have been the one that kept a repeated line for all."""
    assert ctx.earlier is not None
    edits = [one for one in config.edits if isinstance(one, RepeatedLinesConfig)]
    if not any(one.keep == "first" and not one.report_only for one in edits):
        return 0
    before: int = pq.read_metadata(ctx.earlier / ORIGINALS_FILE).num_rows
    lost = before - known
    if lost:
        ctx.say(f"repeated_lines: counted anew, since what kept a line may be gone (documents gone or changed: {lost})")
    return lost


@dataclass(frozen=True)
class Cleaning:
    """Cleans a partition."""

    config: CleanConfig
    earlier: Path | None = None
    """A `CleanCorpus` of the same settings."""
    frequencies: Path | None = None
    """What was fitted on the corpus."""

    @cached_property
    def _fitted(self) -> Mapping[int, Frequencies]:
        return line_frequencies.read(self.frequencies) if self.frequencies else {}

    def __call__(self, partition: Partition, folder: Path) -> Figures:
        raw = partition.table()
        originals = pa.table([raw["id"], raw["text_digest"], pa.array(text_sizes(raw["text"]))], schema=ORIGINALS)
        made = [(SCHEMA.empty_table(), CUTS.empty_table())]
        reused = 0
        if self.earlier is not None and len(raw):
            known, *found = self._known(raw)
            made.append(tuple(found))
            raw, reused = raw.filter(pc.invert(known)), pc.sum(known).as_py()
        made += [edited(self.config.edits, batch, self._fitted) for batch in raw.to_batches(BATCH_ROWS)]
        documents, cuts = (_in_order([tables[at] for tables in made]) for at in range(2))
        account, totals = book(originals, documents, cuts, len(self.config.edits))
        for name, table in ((DOCUMENTS, documents), (CUTS_FILE, cuts), (ORIGINALS_FILE, originals)):
            pq.write_table(table, folder / name, compression="zstd")
        return {"account": account.model_dump(), "edits": [vars(edit) for edit in totals], "reused": reused}

    def _known(self, raw: pa.Table) -> tuple[pa.ChunkedArray, pa.Table, pa.Table]:
        """Which documents the earlier artifact was made of, too, and what it holds of them: documents and cuts."""
        assert self.earlier is not None
        ends = raw["id"][0].as_py(), raw["id"][-1].as_py()
        _, before = rows_between([self.earlier / ORIGINALS_FILE], *ends)
        place = pc.index_in(raw["id"], before["id"])
        equal = pc.equal(before["text_digest"].take(place), raw["text_digest"])
        known = pc.fill_null(equal, False)
        _, texts = rows_between(shards(self.earlier / "documents"), *ends, ["id", "text", "text_digest"])
        found = pc.index_in(raw["id"], texts["id"])
        kept = pc.and_(known, pc.is_valid(found))
        documents = raw.filter(kept)  # where a record stands in its file may have changed
        for name in ("text", "text_digest"):
            at = documents.schema.get_field_index(name)
            documents = documents.set_column(at, SCHEMA.field(name), texts[name].take(found.filter(kept)))
        _, cuts = rows_between([self.earlier / CUTS_FILE], *ends)
        return known, documents, cuts.filter(pc.is_in(cuts["id"], raw.filter(known)["id"]))


def edited(edits: Sequence[Edit], raw: pa.RecordBatch, fitted: Mapping[int, Frequencies]) -> tuple[pa.Table, pa.Table]:
    """Documents through the edits: those of which something is left, and the cuts in all of them."""
    texts = raw["text"].to_pylist()
    done = apply_batch(edits, raw["source"].to_pylist(), texts, fitted)
    emptied = {row for row, (text, _) in enumerate(done) if not text.strip()}
    changed = [row for row, (_, changes) in enumerate(done) if changes]
    found = [(row, position, change) for row in changed for position, change in done[row][1]]
    rows = pa.array([row for row, _, _ in found], pa.int64())
    cuts = {
        "id": raw["id"].take(rows),
        "source": raw["source"].take(rows),
        "position": [position for _, position, _ in found],
        "edit": [edits[position].kind for _, position, _ in found],
        "cut": [change.cut for _, _, change in found],
        "inserted": [change.inserted for _, _, change in found],
        "reason": [change.reason for _, _, change in found],
        "counts": [json.dumps(dict(change.counts), sort_keys=True) for _, _, change in found],
        "emptied": [row in emptied for row, _, _ in found],
    }
    documents = _reading(raw, changed, [done[row][0] for row in changed])
    if emptied:
        documents = documents.take(np.delete(np.arange(len(raw)), list(emptied)))
    return documents, pa.table(cuts, schema=CUTS)


def _reading(raw: pa.RecordBatch, rows: Sequence[int], texts: Sequence[str]) -> pa.Table:
    """The documents, some rows of which (ascending) now read otherwise."""
    documents = pa.Table.from_batches([raw])
    if rows:
        place = np.arange(len(raw))
        place[rows] = len(raw) + np.arange(len(rows))
        for name, values in (("text", texts), ("text_digest", [text_digest(text) for text in texts])):
            both = pa.concat_arrays([raw[name], pa.array(values, raw[name].type)])
            at = raw.schema.get_field_index(name)
            documents = documents.set_column(at, SCHEMA.field(name), both.take(pa.array(place)))
    return documents


def book(originals: pa.Table, documents: pa.Table, cuts: pa.Table, edits: int) -> tuple[Account, list[EditTotals]]:
    """The account of what went in and came out, and what each of so many edits did."""
    totals = [EditTotals() for _ in range(edits)]
    stayed = cuts.filter(pc.invert(cuts["emptied"]))
    for position, count in _by_position(cuts, "id", "count").items():
        totals[position].documents += count
    for name in ("cut", "inserted"):
        for position, size in _by_position(stayed, name, "sum").items():
            setattr(totals[position], name, getattr(totals[position], name) + size)
    for row in cuts.filter(pc.not_equal(cuts["counts"], "{}")).select(["position", "counts"]).to_pylist():
        totals[row["position"]].counts.update(json.loads(row["counts"]))
    emptied = cuts.filter(cuts["emptied"])
    last = emptied.group_by("id").aggregate([("position", "max")])["position_max"]  # the edit that left nothing
    for entry in pc.value_counts(last).to_pylist():
        totals[entry["values"]].emptied += entry["counts"]
    kept = pc.is_in(originals["id"], documents["id"])
    account = Account(
        documents_in=len(originals),
        documents_kept=len(documents),
        documents_dropped=len(originals) - len(documents),
        bytes_in=_total(originals["bytes"]),
        bytes_kept=text_bytes(documents),
        bytes_dropped=_total(originals["bytes"].filter(pc.invert(kept))),
        bytes_cut=_total(stayed["cut"]),
        bytes_inserted=_total(stayed["inserted"]),
    )
    return account.check(), totals


def _total(column: pa.ChunkedArray) -> int:
    total: int = pc.sum(column, min_count=0).as_py()
    return total


def _in_order(tables: Sequence[pa.Table | pa.RecordBatch]) -> pa.Table:
    whole = pa.concat_tables([t if isinstance(t, pa.Table) else pa.Table.from_batches([t]) for t in tables])
    order = sort_order(whole)
    return whole if pc.all(pc.equal(order, np.arange(len(whole)))).as_py() is not False else whole.take(order)


def _by_position(cuts: pa.Table, column: str, function: str) -> dict[int, int]:
    found = cuts.group_by("position").aggregate([(column, function)])
    return dict(zip(found["position"].to_pylist(), found[f"{column}_{function}"].to_pylist(), strict=True))
