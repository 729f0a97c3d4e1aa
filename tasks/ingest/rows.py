"""From a file of a source to rows: the text, the user's id and the columns, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, assert_never

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_config.ingest import (
    Arrow,
    Csv,
    Eml,
    FrontMatter,
    Html,
    Json,
    JsonLines,
    Mbox,
    Parquet,
    PlainText,
    Source,
)
from tasks.ingest.readers import columnar, delimited, front_matter, html_page, json_lines, json_tree, mail, plain
from tasks.ingest.readers.record import Record, Unreadable, unreadable
from tasks.ingest.readers.unpacked import opened
from tasks.ingest.resolve import format_of
from tasks.runtime.artifact import InputFile, InputFiles


class Row(NamedTuple):
    line: int
    raw: bytes
    text: str
    external_id: str | None
    fields: tuple[int, ...]
    """Characters of each text that was joined; empty where there is one."""
    columns: dict[str, Any]
    """Empty where the record is the text itself."""


class Malformed(ValueError):
    """Why a record is no row."""


def rows(source: Source, file: InputFile) -> Iterator[Row | Unreadable]:
    """Every record of one file, in the order of the file, as a row or as what is wrong with it."""
    if file.size == 0:
        yield Unreadable(line=1, size=0, reason="the file is empty", excerpt="")
        return
    for record in records(source, file):
        if isinstance(record, Unreadable):
            yield record
            continue
        columns = {} if isinstance(record.value, str) else record.value
        try:
            joined = [record.value] if isinstance(record.value, str) else _texts(columns, source)
            text = source.separator.join(joined)
            _check(text)
            parts = [scalar(columns, column) for column in source.id]
        except Malformed as error:
            yield unreadable(record.line, record.raw, str(error))
            continue
        external_id = "/".join(part for part in parts if part is not None) or None
        fields = tuple(map(len, joined)) if len(joined) > 1 else ()
        yield Row(record.line, record.raw, text, external_id, fields, columns)


def records(source: Source, file: InputFile) -> Iterator[Record | Unreadable]:
    options, limit = format_of(source, file.name), source.max_record_bytes
    if isinstance(options, Parquet | Arrow):
        yield from columnar.read(file.path, file.name, options.kind, limit)
        return
    with opened(file.path, file.name) as content:
        match options:
            case PlainText():
                yield from plain.read(content, options, limit)
            case Html():
                yield from html_page.read(content, limit)
            case Eml():
                yield from mail.read_one(content, limit)
            case Mbox():
                yield from mail.read_many(content, limit)
            case FrontMatter():
                yield from front_matter.read(content, limit)
            case JsonLines():
                yield from json_lines.read(content, limit)
            case Json():
                yield from json_tree.read(content, options, limit)
            case Csv():
                yield from delimited.read(content, file.name, options, limit)
            case _:
                assert_never(options)


def cells(columns: dict[str, Any], column: str) -> list[Any]:
    """The values of a column, which may be a path into nested ones; none if there is no such column."""
    if column in columns:
        return [columns[column]]
    if "." in column or "[" in column:
        try:
            return list(json_tree.values(columns, column))
        except ValueError:
            return []
    return []


def scalar(columns: dict[str, Any], column: str) -> str | None:
    """The one value of a column as text; None if it is empty or null.

    Raises:
        Malformed: there is no such column, or it holds more than a text or a number.
    """
    found = cells(columns, column)
    if not found:
        raise Malformed(f"no column {column!r}; there are {_names(columns)}")
    value = found[0]
    if len(found) > 1 or not isinstance(value, str | int | float | None):
        raise Malformed(
            f"column {column!r} holds a {type(found if len(found) > 1 else value).__name__}, no single text"
        )
    return None if value is None or value == "" else str(value)


def _texts(columns: dict[str, Any], source: Source) -> list[str]:
    found = [value for column in source.text for value in cells(columns, column)]
    if not found:
        wanted = ", ".join(map(repr, source.text))
        raise Malformed(f"no column {wanted}; there are {_names(columns)}")
    parts: list[str] = []
    for value in found:
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | None):
                raise Malformed(f"the text is no text: {type(item).__name__}")
            if item and not item.isspace():
                parts.append(item)
    return parts


def _check(text: str) -> None:
    if not text or text.isspace():
        raise Malformed("empty text")
    if "\0" in text:
        raise Malformed("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("holds half of a surrogate pair, which is no character") from None


def _names(columns: dict[str, Any]) -> str:
    return ", ".join(list(columns)[:12]) or "none"


def by_source(sources: tuple[Source, ...], files: InputFiles) -> Iterator[tuple[Source, InputFile]]:
    """Each file with its source, in order."""
    named = {source.name: source for source in sources}
    for name, file in zip(files.sources, files.files, strict=True):
        yield named[name], file


class Quarantine:
    """Writes `quarantine.parquet` (source, file, line, reason, excerpt, bytes) and counts the reasons."""

    SCHEMA = pa.schema(
        [
            ("source", pa.string()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("reason", pa.string()),
            ("excerpt", pa.string()),
            ("bytes", pa.int64()),
        ]
    )

    def __init__(self, path: Path) -> None:
        self.by_source: dict[tuple[str, str], int] = {}
        """How often each reason was met, its particulars left out, by source and reason."""
        self.first: dict[tuple[str, str], tuple[str, int]] = {}
        """File and line where each was met first."""
        self._writer = pq.ParquetWriter(path, self.SCHEMA)
        self._held: list[dict[str, Any]] = []

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason was met in all sources."""
        found: dict[str, int] = {}
        for (_, reason), count in self.by_source.items():
            found[reason] = found.get(reason, 0) + count
        return found

    def add(self, source: str, file: str, item: Unreadable) -> None:
        reason = item.reason.split(":")[0].split(";")[0]
        self.by_source[source, reason] = self.by_source.get((source, reason), 0) + 1
        self.first.setdefault((source, reason), (file, item.line))
        self._held.append(
            {
                "source": source,
                "file": file,
                "line": item.line,
                "reason": item.reason,
                "excerpt": item.excerpt,
                "bytes": item.size,
            }
        )
        if len(self._held) >= 4096:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_pylist(self._held, schema=self.SCHEMA))
        self._held = []
