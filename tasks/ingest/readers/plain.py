"""Plain text and Markdown: a file, a paragraph or a line is one document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, assert_never

from pipeline_config.ingest import PlainText
from tasks.ingest.readers.record import Record, Unreadable, decode, lines, whole


def read(file: IO[bytes], options: PlainText, limit: int) -> Iterator[Record | Unreadable]:
    match options.unit:
        case "file":
            raw = whole(file, limit, " (or read it with format.unit: paragraph)")
            yield raw if isinstance(raw, Unreadable) else _record(1, raw)
        case "paragraph":
            yield from _paragraphs(file, limit)
        case "line":
            for item in lines(file, limit):
                if isinstance(item, Unreadable):
                    yield item
                elif item[1].strip():
                    yield _record(*item)
        case _:
            assert_never(options.unit)


def _record(line: int, raw: bytes) -> Record | Unreadable:
    text = decode(line, raw)
    return text if isinstance(text, Unreadable) else Record(line=line, raw=raw, value=text)


def _paragraphs(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    start, held, size = 1, list[bytes](), 0
    for item in lines(file, limit):
        if isinstance(item, Unreadable):
            if held:
                yield _record(start, b"\n".join(held))
            yield item
            held, size = [], 0
            continue
        number, raw = item
        full = size + len(raw) + 1 > limit
        if held and (full or not raw.strip()):
            # A paragraph without end is cut at a line, so that memory stays bounded.
            yield _record(start, b"\n".join(held))
            held, size = [], 0
        if raw.strip():
            start = start if held else number
            held.append(raw)
            size += len(raw) + 1
    if held:
        yield _record(start, b"\n".join(held))
