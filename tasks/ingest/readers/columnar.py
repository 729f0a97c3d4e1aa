"""Parquet files and Arrow streams (a Hugging Face dataset on disk)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ingest.readers.json_tree import canonical
from tasks.ingest.readers.record import Record, Unreadable, unreadable
from tasks.ingest.readers.unpacked import refuse_bomb
from tasks.runtime.errors import StageFailed

_ROWS = 1024
_BATCH_BYTES = 64 << 20  # of the columns of a batch, as the footer tells it


def read(path: Path, name: str, kind: str, limit: int) -> Iterator[Record | Unreadable]:
    """Each row; its bytes are its columns as JSON, keys sorted.

    Raises:
        StageFailed: the file is cut short or damaged.
        RefusedInput: it unpacks to more than text can.
    """
    number = 0
    try:
        schema, batches = _open(path, name, kind)
        class_names = _class_names(schema)
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                for column, names in class_names.items():
                    if isinstance(row.get(column), int) and 0 <= row[column] < len(names):
                        row[column] = names[row[column]]
                raw = canonical(row)
                if len(raw) > limit:
                    yield unreadable(number, raw, f"too long: row of {len(raw)} bytes, max_record_bytes is {limit}")
                else:
                    yield Record(line=number, raw=raw, value=row)
    except (UnicodeDecodeError, pa.ArrowInvalid, OSError) as error:
        raise _damaged(name, number, error) from None


def columns(path: Path, name: str, kind: str) -> list[str]:
    """The names of the columns.

    Raises:
        StageFailed: the file is cut short or damaged.
    """
    try:
        return list(_open(path, name, kind)[0].names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(name, 0, error) from None


def _damaged(name: str, row: int, error: Exception) -> StageFailed:
    return StageFailed(
        f"{name}, after row {row}: the file is cut short or damaged ({error}). Fetch or write it again, "
        "or leave it out with exclude; then run again."
    )


def _open(path: Path, name: str, kind: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if kind == "parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, _batches(file, name)
    stream = pa.ipc.open_stream(pa.memory_map(str(path)))
    return stream.schema, iter(stream)


def _batches(file: pq.ParquetFile, name: str) -> Iterator[pa.RecordBatch]:
    """The rows, so few at a time that a batch of long ones takes little memory."""
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        packed = sum(group.column(index).total_compressed_size for index in range(group.num_columns))
        refuse_bomb(name, packed, group.total_byte_size)
        rows = max(1, min(_ROWS, _BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)))
        yield from file.iter_batches(batch_size=rows, row_groups=[number])


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The label names of `ClassLabel` columns, which are stored as numbers."""
    features: dict[str, Any] = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    found = features.get("features") or {}
    return {
        column: feature["names"]
        for column, feature in found.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }
