"""Cut passages that repeat an earlier document's out of documents that are kept (`tasks.dedup.passages`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.clean import Edit
from pipeline_config.selection import RepeatedPassagesConfig
from tasks.corpus.document import SCHEMA, reference, text_digest
from tasks.corpus.redaction.settings import LOOKED_AT, excerpt
from tasks.dedup.passages import Cut, Read, find_cuts

SAMPLES, EXCERPT = 10, 300  # the longest cuts, and characters of each that are shown

CUTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # in bytes of the text as it went into select
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("matched_id", pa.binary(16), nullable=False),  # the document in which the passage stands whole
    ]
)


@dataclass(frozen=True)
class Passages:
    cuts: dict[int, list[Cut]]
    """By number of a document."""
    cut: NDArray[np.int64]
    """(N,) bytes cut."""
    emptied: NDArray[np.bool_]
    """(N,) documents of which nothing but white space is left."""
    samples: list[dict[str, Any]]

    @staticmethod
    def none(count: int) -> Passages:
        return Passages({}, np.zeros(count, np.int64), np.zeros(count, bool), [])

    def figures(self, sizes: NDArray[np.int64], *, report_only: bool) -> dict[str, Any]:
        """What the step says beside documents and bytes: documents changed, bytes cut, and samples."""
        size = int(self.cut[~self.emptied].sum() + sizes[self.emptied].sum())
        alone = {"documents": int(self.emptied.sum()), "bytes": size}
        return {"report_only": report_only, "alone": alone, "changed": len(self.cuts), "samples": self.samples}

    def applied(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """Documents `first`, `first` + 1, … without what is cut from them."""
        touched = [row for row in range(batch.num_rows) if first + row in self.cuts]
        if not touched:
            return batch
        texts = batch["text"].take(pa.array(touched)).to_pylist()
        left = [remainder(text, self.cuts[first + row]) for row, text in zip(touched, texts, strict=True)]
        mask = np.isin(np.arange(batch.num_rows), touched)
        digests = pa.array([text_digest(text) for text in left], pa.binary(16))
        columns = {name: batch[name] for name in batch.schema.names}
        columns["text"] = _replaced(columns["text"], mask, pa.array(left, pa.large_string()))
        columns["text_digest"] = _replaced(columns["text_digest"], mask, digests)
        return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)

    def write(self, path: Path, ids: pa.Array) -> None:
        """One row a cut, in order of documents and places."""
        rows = [
            {"id": ids[row].as_py(), "start": cut.start, "bytes": cut.stop - cut.start, "matched_id": ids[cut.document]}
            for row, cuts in sorted(self.cuts.items())
            for cut in cuts
        ]
        table = pa.Table.from_pylist([row | {"matched_id": row["matched_id"].as_py()} for row in rows], schema=CUTS)
        pq.write_table(table, path, compression="zstd")


def find_passages(
    config: RepeatedPassagesConfig,
    read: Read,
    order: NDArray[np.int64],
    ids: pa.Array,
    folder: Path,
    memory: int,
    edits: Sequence[Edit],
) -> Passages:
    """Find what is to be cut from documents `order`; `read` yields them. Samples are masked as `edits` do."""
    found = Passages.none(len(ids))
    found.cuts.update(find_cuts(read, order, len(ids), config.min_words, folder, memory, config.min_bytes))
    longest: list[tuple[int, int, int, int, str]] = []
    touched = np.isin(np.arange(len(ids)), list(found.cuts))
    for row, text in _touched(read, touched):
        cuts = found.cuts[row]
        found.cut[row] = sum(cut.stop - cut.start for cut in cuts)
        found.emptied[row] = not remainder(text, cuts).strip()
        for cut in cuts:
            words = text.encode()[cut.start : cut.stop].decode()
            longest.append((cut.start - cut.stop, row, cut.start, cut.document, words[: LOOKED_AT * EXCERPT]))
        longest = sorted(longest)[:SAMPLES]
    for size, row, start, document, words in longest:
        named = {"document": reference(ids[row].as_py()), "like": reference(ids[document].as_py())}
        found.samples.append({**named, "start": start, "bytes": -size, "text": excerpt(words, edits, EXCERPT)})
    return found


def remainder(text: str, cuts: list[Cut]) -> str:
    """A text without its cuts."""
    data, borders = text.encode(), [0]
    for cut in cuts:
        borders += [cut.start, cut.stop]
    borders.append(len(data))
    return b"".join(data[a:b] for a, b in zip(borders[::2], borders[1::2], strict=True)).decode()


def _touched(read: Read, touched: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
    for rows, texts in read():
        for place in np.flatnonzero(touched[rows]).tolist():
            yield int(rows[place]), texts[place].as_py()


def _replaced(column: pa.Array, mask: NDArray[np.bool_], values: pa.Array) -> pa.Array:
    """A column with other values where `mask` is set."""
    place = np.arange(len(column))
    place[mask] = len(column) + np.arange(len(values))
    return pa.concat_arrays([column, values]).take(pa.array(place))
