"""CSV and TSV. A row may span lines; one that cannot be parsed costs its first line only."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

from pipeline_config.ingest import Csv
from tasks.ingest.readers.record import Record, Unreadable, decode, lines, repeated, unreadable
from tasks.runtime.errors import RefusedInput


def read(file: IO[bytes], name: str, options: Csv, limit: int) -> Iterator[Record | Unreadable]:
    """Each row below the header.

    Raises:
        RefusedInput: the header has a name twice.
    """
    names: list[str] | None = None
    for row in _rows(file, options, limit):
        if isinstance(row, Unreadable):
            yield row
            continue
        line, raw, cells = row
        if names is None:
            names = _names(name, cells, options)
            if options.header:
                continue
        if len(cells) != len(names):
            yield unreadable(line, raw, f"wrong number of columns: {len(cells)}, expected {len(names)}")
        else:
            yield Record(line=line, raw=raw, value=dict(zip(names, cells, strict=True)))


def header(file: IO[bytes], name: str, options: Csv, limit: int) -> list[str]:
    """The names of the columns; empty if the file has no rows.

    Raises:
        RefusedInput: the header has a name twice.
    """
    for row in _rows(file, options, limit):
        if not isinstance(row, Unreadable):
            return _names(name, row[2], options)
    return []


def _names(name: str, cells: list[str], options: Csv) -> list[str]:
    if not options.header:
        return [str(number) for number in range(1, len(cells) + 1)]
    # Columns without a name, which spreadsheets write at the end, cannot be asked for: they may be several.
    if twice := repeated([cell for cell in cells if cell]):
        raise RefusedInput(
            f"{name}: the header has the column {twice!r} twice, of which one would be lost; expected each name once. "
            "Rename one in the first line, or leave the file out with exclude."
        )
    return cells


def _rows(file: IO[bytes], options: Csv, limit: int) -> Iterator[tuple[int, bytes, list[str]] | Unreadable]:
    csv.field_size_limit(max(limit, csv.field_size_limit()))
    quote = options.quote.encode()
    source = lines(file, limit)
    ahead: deque[tuple[int, bytes] | Unreadable] = deque()  # lines read in search of a closing quote

    def following() -> tuple[int, bytes] | Unreadable | None:
        return ahead.popleft() if ahead else next(source, None)

    while (item := following()) is not None:
        if isinstance(item, Unreadable):
            yield item
            continue
        line, raw = item
        if not raw.strip():
            continue
        cells = _parse(raw, options)
        taken: list[tuple[int, bytes]] = []
        size = len(raw)
        while cells is None:  # a quote is open: the row goes on
            more = following()
            if more is None or isinstance(more, Unreadable) or size + len(more[1]) > limit:
                if more is not None:
                    ahead.appendleft(more)
                cells = "a quote is opened and never closed"
                break
            taken.append(more)
            size += 1 + len(more[1])
            # The row is parsed once more only where this line leaves no quote open: the effort stays linear.
            if quote in more[1] and _parse(quote + more[1], options) is not None:
                cells = _parse(b"\n".join([raw, *(text for _, text in taken)]), options)
        if isinstance(cells, str):
            ahead.extendleft(reversed(taken))
            yield unreadable(line, raw, cells)
            continue
        whole = b"\n".join([raw, *(text for _, text in taken)])
        text = decode(line, whole)
        yield text if isinstance(text, Unreadable) else (line, whole, cells)


def _parse(raw: bytes, options: Csv) -> list[str] | str | None:
    """The cells of a row; None if a quote is still open; a text that says why it is none."""
    text = raw.decode("utf-8", "surrogateescape")
    reader = csv.reader(
        [f"{part}\n" for part in text.split("\n")],
        delimiter=options.delimiter,
        quotechar=options.quote or None,
        quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        cells = next(reader)
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else f"not a row of CSV: {error}"
    return cells
