"""Parquet files and Arrow streams (a Hugging Face dataset on disk)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ingest.readers.arrow_messages import unpacked_bytes
from tasks.ingest.readers.json_tree import canonical
from tasks.ingest.readers.record import Record, Unreadable, repeated, unreadable
from tasks.ingest.readers.unpacked import refuse_bomb
from tasks.runtime.errors import RefusedInput, StageFailed

_ROWS = 64
_BATCH_BYTES = 128 << 20  # of the rows that are held at once
# Encodings that write once what many rows hold (Parquet format, Encodings.md).
_DICTIONARY = frozenset(["PLAIN_DICTIONARY", "RLE_DICTIONARY"])
_SHARING = _DICTIONARY | {"DELTA_BYTE_ARRAY"}
_HEADER = b"\x15\x04\x15"  # of a dictionary page in compact Thrift: field 1 is the type 2, field 2 follows


def read(path: Path, name: str, kind: str, limit: int) -> Iterator[Record | Unreadable]:
    """Each row; its bytes are its columns as JSON, keys sorted.

    Raises:
        StageFailed: the file is cut short or damaged.
        RefusedInput: it unpacks to more than text can, or two columns have one name.
    """
    number, packed, unpacked = 0, path.stat().st_size, 0
    try:
        schema, batches = _open(path, name, kind)
        class_names = _class_names(schema)
        empty = len(canonical(dict.fromkeys(schema.names)))  # of a row of nulls: names are written once in the file
        for batch in batches:
            for row in _rows(batch):
                number += 1
                for column, names in class_names.items():
                    if isinstance(row.get(column), int) and 0 <= row[column] < len(names):
                        row[column] = names[row[column]]
                raw = canonical(row)
                unpacked += max(1, len(raw) - empty)
                refuse_bomb(name, packed, unpacked)
                if len(raw) > limit:
                    yield unreadable(number, raw, f"too long: row of {len(raw)} bytes, max_record_bytes is {limit}")
                else:
                    yield Record(line=number, raw=raw, value=row)
    except MemoryError:  # Arrow's is also an ArrowException
        raise RefusedInput(
            f"{name}, after row {number}: what {packed} packed bytes give does not fit into memory, so this looks like "
            "a decompression bomb. Leave the file out with exclude, or write it in smaller row groups or batches."
        ) from None
    except (ValueError, OverflowError, OSError, pa.ArrowException) as error:
        raise _damaged(name, number, error) from None


def columns(path: Path, name: str, kind: str) -> list[str]:
    """The names of the columns.

    Raises:
        StageFailed: the file is cut short or damaged.
        RefusedInput: two columns have one name.
    """
    try:
        return list(_open(path, name, kind)[0].names)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise _damaged(name, 0, error) from None


def _damaged(name: str, row: int, error: Exception) -> StageFailed:
    return StageFailed(
        f"{name}, after row {row}: the file is cut short or damaged ({error}). Fetch or write it again, "
        "or leave it out with exclude; then run again."
    )


def _open(path: Path, name: str, kind: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if kind == "parquet":
        file = pq.ParquetFile(path)
        schema, batches = file.schema_arrow, _parquet(file, path, name)
    else:
        stream = pa.ipc.open_stream(pa.memory_map(str(path)))
        schema, batches = stream.schema, _stream(stream, path, name)
    if twice := _twice(schema):
        raise RefusedInput(
            f"{name}: two columns are called {twice!r}, of which one would be lost; expected each name once. "
            "Rename one, or leave the file out with exclude."
        )
    return schema, batches


def _twice(fields: pa.Schema | pa.DataType) -> str | None:
    """A name that two columns, or two fields of one nested column, have."""
    inner = [
        fields.field(index) for index in range(len(fields) if isinstance(fields, pa.Schema) else fields.num_fields)
    ]
    own = repeated([field.name for field in inner])
    return own if own is not None else next((one for field in inner if (one := _twice(field.type)) is not None), None)


def _parquet(file: pq.ParquetFile, path: Path, name: str) -> Iterator[pa.RecordBatch]:
    """The rows, so few at a time that a batch of long ones takes little memory."""
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        columns = [group.column(index) for index in range(group.num_columns)]
        refuse_bomb(name, sum(column.total_compressed_size for column in columns), group.total_byte_size)
        row = sum(_most_bytes(path, column, group.num_rows) for column in columns)
        rows = max(1, min(_ROWS, _BATCH_BYTES // max(1, row)))
        yield from file.iter_batches(batch_size=rows, row_groups=[number])


def _most_bytes(path: Path, column: pq.ColumnChunkMetaData, rows: int) -> int:
    """Bytes of a row of a column: as many as one may have where values are shared, else as many as one has by and by.

    The sizes of the footer count a value that many rows share once.
    """
    whole = column.total_uncompressed_size
    if column.physical_type not in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY") or not _SHARING & set(column.encodings):
        return int(whole // max(1, rows))
    shared = whole if "DELTA_BYTE_ARRAY" in column.encodings else _dictionary_bytes(path, column)
    return int(shared * -(-column.num_values // max(1, rows)) + whole // max(1, rows))


def _dictionary_bytes(path: Path, column: pq.ColumnChunkMetaData) -> int:
    """Of the dictionary page, unpacked, as its header says (parquet.thrift, PageHeader); the whole column at most."""
    if not column.has_dictionary_page:
        return int(column.total_uncompressed_size)
    with path.open("rb") as file:
        file.seek(column.dictionary_page_offset)
        head = file.read(len(_HEADER) + 5)
    if not head.startswith(_HEADER):
        return int(column.total_uncompressed_size)
    size = 0
    for place, byte in enumerate(head[len(_HEADER) :]):  # a varint in zigzag
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            break
    return min(size >> 1, int(column.total_uncompressed_size))


def _stream(stream: pa.RecordBatchStreamReader, path: Path, name: str) -> Iterator[pa.RecordBatch]:
    """The batches; of values that rows share `read` counts what rows hold."""
    refuse_bomb(name, path.stat().st_size, unpacked_bytes(path))  # each batch is unpacked as a whole
    for batch in stream:
        batch.validate(full=True)  # places in a damaged one may lie anywhere in memory
        yield batch


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows as Python objects, so few at a time as their values may be long: many may share one."""
    shared = sum(column.get_total_buffer_size() for column in batch.columns if _shares(column.type))
    count = max(1, min(_ROWS, _BATCH_BYTES // max(1, shared)))
    for start in range(0, batch.num_rows, count):
        yield from batch.slice(start, count).to_pylist()


def _shares(kind: pa.DataType) -> bool:
    """Whether rows of an Arrow type may hold one value that is stored once."""
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return True
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return True
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return True
    return any(_shares(kind.field(index).type) for index in range(kind.num_fields))


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The label names of `ClassLabel` columns, which are stored as numbers."""
    features: dict[str, Any] = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    found = features.get("features") or {}
    return {
        column: feature["names"]
        for column, feature in found.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }
