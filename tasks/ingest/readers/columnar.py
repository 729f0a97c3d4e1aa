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
from tasks.runtime.errors import StageFailed

_ROWS = 1024


def read(path: Path, name: str, kind: str, limit: int) -> Iterator[Record | Unreadable]:
    """Each row; its bytes are its columns as JSON, keys sorted.

    Raises:
        StageFailed: the file is cut short or damaged.
    """
    number = 0
    try:
        schema, batches = _open(path, kind)
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
        return list(_open(path, kind)[0].names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(name, 0, error) from None


def _damaged(name: str, row: int, error: Exception) -> StageFailed:
    return StageFailed(
        f"{name}, after row {row}: the file is cut short or damaged ({error}). Fetch or write it again, "
        "or leave it out with exclude; then run again."
    )


def _open(path: Path, kind: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if kind == "parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.iter_batches(batch_size=_ROWS)
    stream = pa.ipc.open_stream(pa.memory_map(str(path)))
    return stream.schema, iter(stream)


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The label names of `ClassLabel` columns, which are stored as numbers."""
    features: dict[str, Any] = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    found = features.get("features") or {}
    return {
        column: feature["names"]
        for column, feature in found.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }
