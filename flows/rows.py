"""The rows of a file that a person wants labelled, one at a time, each with its line and what is wrong with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tasks.runtime.errors import RefusedInput

SUFFIXES = (".jsonl", ".csv", ".txt")


@dataclass(frozen=True)
class Row:
    line: int
    """In the file, from 1."""
    fields: dict[str, Any] = field(default_factory=dict)
    """The row as it was read, the text among it."""
    text: str = ""
    problem: str = ""
    """Why it cannot be labelled; empty if it can."""


def read_rows(file: Path, column: str) -> Iterator[Row]:
    """Open the file at once, read it as it is asked for.

    Raises:
        RefusedInput: for a file that is missing, of an unknown kind, or (CSV) without the column.
    """
    if file.suffix not in SUFFIXES:
        raise RefusedInput(f"{file}: expected a file that ends in {', '.join(SUFFIXES)}.")
    try:
        stream = file.open("rb")
    except OSError as error:
        raise RefusedInput(f"{file}: cannot be read ({error.strerror}).") from None
    match file.suffix:
        case ".jsonl":
            return _jsonl(stream, column)
        case ".csv":
            return _csv(stream, file, column)
        case _:
            return (row_of(number, {"text": text}, "text", problem) for number, text, problem in _lines(stream))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str, str]]:
    """Number, text and problem of each line that is not blank."""
    with stream:
        for number, raw in enumerate(stream, 1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                yield number, "", f"not UTF-8 (byte {error.start + 1})"
                continue
            if text.strip():
                yield number, text, ""


def _jsonl(stream: BinaryIO, column: str) -> Iterator[Row]:
    for number, text, problem in _lines(stream):
        if problem:
            yield Row(number, problem=problem)
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            yield Row(number, problem=f"not JSON ({error})")
            continue
        except RecursionError:
            yield Row(number, problem="not JSON that can be read (nested too deep)")
            continue
        if isinstance(value, dict):
            yield row_of(number, value, column)
        else:
            yield Row(number, problem=f"expected an object with {column!r}, got {type(value).__name__}")


def _csv(stream: BinaryIO, file: Path, column: str) -> Iterator[Row]:
    import io

    csv.field_size_limit(1 << 30)
    # Bytes that are no UTF-8 become surrogates, so that the row can still be told from the others.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, restkey="")
    if column not in (reader.fieldnames or ()):
        stream.close()
        raise RefusedInput(
            f"{file}, line 1: no column {column!r}. It has: {', '.join(reader.fieldnames or ()) or 'nothing'}. "
            "Name the one that holds the texts: --column NAME"
        )
    return _csv_rows(reader, text, column)


def _csv_rows(reader: csv.DictReader[str], text: Any, column: str) -> Iterator[Row]:
    with text:
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(reader.line_num, problem=f"not CSV ({error})")
                continue
            if "" in fields or None in fields.values():
                count = len(reader.fieldnames or ())
                yield Row(reader.line_num, problem=f"expected {count} cells")
            else:
                yield row_of(reader.line_num, dict(fields), column)


def row_of(line: int, fields: dict[str, Any], column: str, problem: str = "") -> Row:
    """The row, or what is wrong with it: `problem` if that is known, else what is wrong with its text."""
    text = fields.get(column)
    if problem:
        return Row(line, problem=problem)
    if not isinstance(text, str):
        return Row(line, problem=f"no text in {column!r}" if text is None else f"{column!r} is no text")
    if not text.strip():
        return Row(line, problem="the text is empty")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Row(line, problem="not UTF-8")
    return Row(line, fields, text)
