"""One JSON value a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from tasks.ingest.readers.json_tree import TOO_DEEP, RepeatedKey, parsed, too_deep
from tasks.ingest.readers.record import Record, Unreadable, decode, lines, unreadable


def read(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    for item in lines(file, limit):
        if isinstance(item, Unreadable):
            yield item
            continue
        number, raw = item
        if not raw.strip():
            continue
        text = decode(number, raw)
        if isinstance(text, Unreadable):
            yield text
            continue
        if too_deep(raw):
            yield unreadable(number, raw, TOO_DEEP)
            continue
        try:
            value = parsed(text)
        except RepeatedKey as error:
            yield unreadable(number, raw, str(error))
            continue
        except ValueError as error:
            yield unreadable(number, raw, f"not JSON: {error}")
            continue
        if isinstance(value, dict | str):
            yield Record(line=number, raw=raw, value=value)
        else:
            yield unreadable(number, raw, f"a JSON {type(value).__name__}; expected an object or a string")
