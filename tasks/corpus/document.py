"""A document and how a set of documents lies on disk.

A document's `id` says where it came from and is fixed for ever; `text_digest` says what it reads now and follows every
edit. People write an id as `doc:<hex>`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

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
BATCH_BYTES = 1 << 20
"""Text that is worked on at once: what is found out about a text may need some 50 bytes for each of its bytes. A larger
document is a batch by itself."""
GROUP_ROWS = 16384  # rows of a row group
SPILT_BYTES = 1 << 20  # text of a record batch that is spilt to disk, about


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
        bits = _shard_bits(sum(run.text_bytes for run in runs))
        written = 0
        for shard in range(1 << bits):
            parts = [part for run in runs for part in run.between(shard, bits)]
            written += _write_shard(folder, shard, bits, _sorted(pa.concat_tables([SCHEMA.empty_table(), *parts])))
    return written


def write_sorted(folder: Path, documents: Iterable[pa.Table], size: int) -> int:
    """`write_documents` for documents that come in the order of their ids and have `size` bytes of text in all.

    The files are the same; nothing is spilt, and two shards are held in memory: one is written while the next comes.

    Raises:
        AssertionError: they come in another order, or two have one id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bits, written = _shard_bits(size), 0
    with ThreadPoolExecutor(1) as thread:
        writing: Future[int] | None = None
        for shard, table in enumerate(_by_shard(documents, bits)):
            written += writing.result() if writing else 0
            writing = thread.submit(_write_shard, folder, shard, bits, table)
            del table  # while the next one is put together
        return written + (writing.result() if writing else 0)


def _by_shard(documents: Iterable[pa.Table], bits: int) -> Iterator[pa.Table]:
    """Documents that come in the order of their ids, cut into shards, the empty ones among them."""
    shard = 0
    held = [SCHEMA.empty_table()]
    for table in documents:
        rest = table
        while shard + 1 < 1 << bits and len(rest) and _leading(rest.slice(len(rest) - 1), 0)[0] >= _border(shard, bits):
            ends = int(np.searchsorted(_leading(rest, 0), _border(shard, bits)))
            yield pa.concat_tables([*held, rest.slice(0, ends)])
            held, rest, shard = [SCHEMA.empty_table()], rest.slice(ends), shard + 1
        held.append(rest)
    yield pa.concat_tables(held)
    for _ in range(shard + 1, 1 << bits):
        yield SCHEMA.empty_table()


def _shard_bits(size: int) -> int:
    """There are 2 to the power of this many shards."""
    return max(0, (size // SHARD_BYTES).bit_length())


def _border(shard: int, bits: int) -> np.uint64:
    """The first 64 bits of the lowest id beyond a shard that is not the last."""
    return np.uint64((shard + 1) << (64 - bits))


def _write_shard(folder: Path, shard: int, bits: int, table: pa.Table) -> int:
    high, low = _leading(table, 0), _leading(table, 1)
    ascending = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
    assert ascending.all(), "documents are out of order, or two have one id"
    name = f"documents-{shard:05d}-of-{1 << bits:05d}.parquet"
    whole = table.combine_chunks()  # the bytes of a file must not tell how its rows came
    pq.write_table(whole, folder / name, compression="zstd", use_dictionary=["source"], row_group_size=GROUP_ROWS)
    return len(whole)


def shards(folder: Path) -> list[Path]:
    """The Parquet files of a set of documents, in the order of their ids. `folder` is `…/documents`."""
    return sorted(folder.glob("documents-*.parquet"))


def read_documents(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """All documents, sorted by id (in memory: for small sets and for columns without text)."""
    wanted = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables(
        [wanted.empty_table(), *(pq.read_table(path, columns=columns, schema=SCHEMA) for path in shards(folder))]
    )


def iter_documents(
    folder: Path, columns: list[str] | None = None, rows: int = 8192, size: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The documents in order of their ids, at most `rows` a batch, and about `size` bytes of text."""
    for path in shards(folder):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                yield from bounded(batch, size) if size else (batch,)


def bounded(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """Slices of a batch of about `size` bytes of text, of one document at least."""
    start = held = 0
    for row, own in enumerate(text_sizes(batch["text"]).tolist()):
        if row > start and held + own > size:
            yield batch.slice(start, row - start)
            start, held = row, 0
        held += own
    yield batch.slice(start)


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


def text_array(texts: Sequence[str]) -> pa.LargeStringArray:
    """Texts as an Arrow array, several times as fast as `pyarrow.array` makes one of them."""
    data = [text.encode() for text in texts]
    borders = np.zeros(len(data) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, data), np.int64, len(data)), out=borders[1:])
    return pa.LargeStringArray.from_buffers(len(data), pa.py_buffer(borders), pa.py_buffer(b"".join(data)))


def text_sizes(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """UTF-8 bytes of each text. (N,)"""
    sizes: NDArray[np.int64] = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return sizes


def rows_between(
    files: Sequence[Path], low: bytes, high: bytes, columns: list[str] | None = None
) -> tuple[int, pa.Table]:
    """Of tables in order of a column `id` the rows from id `low` to id `high`, and the number of those before them.

    Whole row groups are passed over by the footers' statistics. A row or two beside the range may be among them: the
    first 64 bits of the ids decide.
    """
    bounds = [np.uint64(int.from_bytes(end[:8], "big")) for end in (low, high)]
    before, tables = 0, []
    for path in files:
        with pq.ParquetFile(path) as file:
            place = file.schema_arrow.get_field_index("id")
            for group in range(file.num_row_groups):
                statistics = file.metadata.row_group(group).column(place).statistics
                if not file.metadata.row_group(group).num_rows:
                    continue
                if statistics.max[:8] < low[:8]:
                    before += file.metadata.row_group(group).num_rows
                elif statistics.min[:8] <= high[:8]:
                    table = file.read_row_group(group, columns, use_threads=False)
                    ids = _leading(table, 0)
                    start, stop = np.searchsorted(ids, bounds[0], "left"), np.searchsorted(ids, bounds[1], "right")
                    before += int(start)
                    tables.append(table.slice(start, stop - start))
            schema = file.schema_arrow if columns is None else pa.schema([file.schema_arrow.field(c) for c in columns])
    return before, pa.concat_tables([schema.empty_table(), *tables])


def sort_order(table: pa.Table) -> pa.Array:
    """The order of a table's rows by id, those of one id in the order they have."""
    return pa.array(np.lexsort((_leading(table, 1), _leading(table, 0))))


def fixed_digests(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """128-bit values (binary(16), no nulls) as pairs of numbers that sort like them, without objects. (N, 2)"""
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype=">u8").reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(chunks).astype(np.uint64) if chunks else np.zeros((0, 2), np.uint64)


def _text_span(texts: pa.Array) -> int:
    if len(texts) == 0:
        return 0
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)
    return int(offsets[texts.offset + len(texts)] - offsets[texts.offset])


@dataclass(frozen=True)
class _Run:
    """Documents in order of their ids: in memory, or in a file that is read range by range."""

    text_bytes: int
    table: pa.Table | None = None
    file: Path | None = None
    first: NDArray[np.uint64] | None = None
    """The leading bits of the lowest id of each record batch in the file."""

    def between(self, shard: int, bits: int) -> Iterator[pa.Table]:
        """The documents of a shard."""
        if self.table is not None:
            yield _id_range(self.table, shard, bits)
            return
        assert self.first is not None
        start = 0 if shard == 0 else int(np.searchsorted(self.first, _border(shard - 1, bits))) - 1
        stop = len(self.first) if shard + 1 == 1 << bits else int(np.searchsorted(self.first, _border(shard, bits)))
        with pa.OSFile(str(self.file)) as source, pa.ipc.open_file(source) as reader:  # not mapped: pages would stay
            for at in range(max(start, 0), stop):
                yield _id_range(pa.Table.from_batches([reader.get_batch(at)]), shard, bits)


def _sorted_runs(batches: Iterable[pa.Table | pa.RecordBatch], spill: Path) -> Iterator[_Run]:
    """Gather batches into runs of about `RUN_BYTES`, each sorted by id; all but the last are written to disk."""
    held: list[pa.Table] = []
    size = count = 0
    for batch in batches:
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        held.append(table.select(SCHEMA.names).cast(SCHEMA))
        size += text_bytes(held[-1])
        if size >= RUN_BYTES:
            yield _spilt(_sorted(pa.concat_tables(held)), spill / f"{count}.arrow", size)
            held, size, count = [], 0, count + 1
    yield _Run(size, _sorted(pa.concat_tables([SCHEMA.empty_table(), *held])))


def _spilt(run: pa.Table, path: Path, size: int) -> _Run:
    batches = run.combine_chunks().to_batches(max_chunksize=max(1, run.num_rows * SPILT_BYTES // size))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for batch in batches:
            writer.write_batch(batch)
    first = [_leading(pa.Table.from_batches([batch.slice(0, 1)]), 0) for batch in batches]
    return _Run(size, file=path, first=np.concatenate(first))


def _sorted(table: pa.Table) -> pa.Table:
    return table.take(sort_order(table))


def _leading(table: pa.Table, half: int) -> NDArray[np.uint64]:
    """The first (0) or second (1) 64 bits of the ids, as numbers that sort like the ids. (N,)"""
    return fixed_digests(table.column("id"))[:, half]


def _id_range(run: pa.Table, shard: int, bits: int) -> pa.Table:
    """The rows of a sorted run whose ids begin with the `bits` bits of `shard`."""
    if bits == 0:
        return run
    ids = _leading(run, 0)
    start = np.searchsorted(ids, _border(shard - 1, bits)) if shard else 0
    stop = len(ids) if shard + 1 == 1 << bits else np.searchsorted(ids, _border(shard, bits))
    return run.slice(start, stop - start)
