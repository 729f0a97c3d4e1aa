"""A document and how a set of documents lies on disk.

A document's `id` says where it came from and is fixed for ever; `text_digest` says what it reads now and follows every
edit. People write an id as `doc:<hex>`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("external_id", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("text_digest", pa.binary(16), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),  # a JSON object, keys sorted
    ]
)

SHARD_BYTES = 32 << 20  # text per shard, about
RUN_BYTES = 128 << 20  # text held in memory while documents arrive unsorted


def document_id(source: str, record: bytes, copy: int = 0) -> bytes:
    """128 bits of SHA-256 over the source's name, the raw bytes of a record, and how-manieth identical record it is.

    So an id stays the same when other records are inserted before it, and two copies are two documents.
    """
    name = source.encode()
    return hashlib.sha256(b"%d:%b%d:%b" % (len(name), name, copy, record)).digest()[:16]


def text_digest(text: str) -> bytes:
    """xxh3-128 of the text's UTF-8: equal texts, equal digests."""
    digest: bytes = xxhash.xxh3_128_digest(text.encode())
    return digest


def reference(document: bytes) -> str:
    """The id as people read and write it."""
    return f"doc:{document.hex()}"


def document_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """A table of `SCHEMA` from rows; `text_digest` is filled in, `external_id` and `metadata` may be left out."""
    filled = [{"external_id": None, "metadata": "{}", **row, "text_digest": text_digest(row["text"])} for row in rows]
    return pa.Table.from_pylist(filled, schema=SCHEMA)


def write_documents(folder: Path, documents: pa.Table | Iterable[pa.Table | pa.RecordBatch]) -> int:
    """Write documents into `folder` as Parquet shards sorted by id; return how many.

    The files depend on the set of documents alone, not on their order or batching: shards are equal ranges of id, their
    number (a power of two) follows from the bytes of text. Batches may exceed memory: sorted runs are spilt to disk
    and merged range by range.

    Raises:
        AssertionError: two documents with one id.
    """
    batches = [documents] if isinstance(documents, pa.Table) else documents
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".runs-") as spill:
        runs = list(_sorted_runs(batches, Path(spill)))
        total = sum(text_bytes(run) for run in runs)
        bits = max(0, (total // SHARD_BYTES).bit_length())
        written = 0
        for shard in range(1 << bits):
            parts = [_id_range(run, shard, bits) for run in runs]
            table = parts[0] if len(parts) == 1 else _sorted(pa.concat_tables([SCHEMA.empty_table(), *parts]))
            ids = _leading(table, 0), _leading(table, 1)
            assert not ((ids[0][1:] == ids[0][:-1]) & (ids[1][1:] == ids[1][:-1])).any(), "two documents have one id"
            name = f"documents-{shard:05d}-of-{1 << bits:05d}.parquet"
            pq.write_table(table, folder / name, compression="zstd", use_dictionary=["source"], row_group_size=16384)
            written += table.num_rows
    return written


def shards(folder: Path) -> list[Path]:
    """The Parquet files of a set of documents, in the order of their ids. `folder` is `…/documents`."""
    return sorted(folder.glob("documents-*.parquet"))


def read_documents(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """All documents, sorted by id (in memory: for small sets and for columns without text)."""
    wanted = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables(
        [wanted.empty_table(), *(pq.read_table(path, columns=columns, schema=SCHEMA) for path in shards(folder))]
    )


def iter_documents(folder: Path, columns: list[str] | None = None, rows: int = 8192) -> Iterator[pa.RecordBatch]:
    """The documents in order of their ids, at most `rows` a batch."""
    for path in shards(folder):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=rows, columns=columns)


def documents_at(folder: Path, places: Iterable[int], columns: list[str] | None = None) -> dict[int, dict[str, Any]]:
    """The documents at these places in the order of ids, by place. Row groups that hold none are not read.

    Raises:
        AssertionError: a place is beyond the last document.
    """
    wanted = np.unique(np.fromiter(places, np.int64))
    found: dict[int, dict[str, Any]] = {}
    first = 0
    for path in shards(folder):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                here = wanted[(wanted >= first) & (wanted < first + rows)]
                if len(here):
                    table = file.read_row_group(group, columns=columns).take(pa.array(here - first))
                    found |= dict(zip(here.tolist(), table.to_pylist(), strict=True))
                first += rows
    assert len(found) == len(wanted), "a place beyond the last document"
    return found


def count_documents(folder: Path) -> int:
    """How many documents there are, from the files' footers."""
    return sum(pq.read_metadata(path).num_rows for path in shards(folder))


def text_bytes(documents: pa.Table | pa.RecordBatch) -> int:
    """UTF-8 bytes of the text column."""
    column = documents.column("text")
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return sum(_text_span(chunk) for chunk in chunks)


def _text_span(texts: pa.Array) -> int:
    if len(texts) == 0:
        return 0
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)
    return int(offsets[texts.offset + len(texts)] - offsets[texts.offset])


def _sorted_runs(batches: Iterable[pa.Table | pa.RecordBatch], spill: Path) -> Iterator[pa.Table]:
    """Gather batches into runs of about `RUN_BYTES`, each sorted by id; all but the last lie on disk, mapped."""
    held: list[pa.Table] = []
    size = count = 0
    for batch in batches:
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        held.append(table.select(SCHEMA.names).cast(SCHEMA))
        size += text_bytes(held[-1])
        if size >= RUN_BYTES:
            path = spill / f"{count}.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
                writer.write_table(_sorted(pa.concat_tables(held)))
            yield pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            held, size, count = [], 0, count + 1
    yield _sorted(pa.concat_tables([SCHEMA.empty_table(), *held]))


def _sorted(table: pa.Table) -> pa.Table:
    order = np.lexsort((_leading(table, 1), _leading(table, 0)))
    return table.take(pa.array(order))


def _leading(table: pa.Table, half: int) -> np.ndarray:
    """The first (0) or second (1) 64 bits of the ids, as numbers that sort like the ids. (N,)"""
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype=">u8").reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk), half]
        for chunk in table.column("id").chunks
        if len(chunk)
    ]
    return np.concatenate(chunks).astype(np.uint64) if chunks else np.zeros(0, np.uint64)


def _id_range(run: pa.Table, shard: int, bits: int) -> pa.Table:
    """The rows of a sorted run whose ids begin with the `bits` bits of `shard`."""
    if bits == 0:
        return run
    ids = _leading(run, 0)
    start = np.searchsorted(ids, np.uint64(shard << (64 - bits)))
    stop = len(ids) if shard + 1 == 1 << bits else np.searchsorted(ids, np.uint64((shard + 1) << (64 - bits)))
    return run.slice(start, stop - start)
