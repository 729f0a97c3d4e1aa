"""What a reader yields, and reading lines of any length in little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

EXCERPT = 200  # characters
_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One record of a file: a text, or columns."""

    line: int
    """Line, row or number of the record in its file, from 1."""
    raw: bytes
    """The bytes that its identity is made of."""
    value: str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that no document can be made of."""

    line: int
    size: int
    """Bytes."""
    reason: str
    excerpt: str


def unreadable(line: int, raw: bytes, reason: str, size: int | None = None) -> Unreadable:
    excerpt = raw[: 4 * EXCERPT].decode("utf-8", "backslashreplace")[:EXCERPT]
    return Unreadable(line=line, size=len(raw) if size is None else size, reason=reason, excerpt=excerpt)


def repeated(names: Sequence[str]) -> str | None:
    """A name that stands more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def decode(line: int, raw: bytes) -> str | Unreadable:
    """UTF-8 without NUL."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return unreadable(line, raw, f"not UTF-8: byte 0x{raw[error.start]:02x} at {error.start}")
    if "\0" in text:
        return unreadable(line, raw, "holds a NUL character")
    return text


def whole(file: IO[bytes], limit: int, hint: str = "") -> bytes | Unreadable:
    """All bytes of a file, without a byte order mark of UTF-8; of one over `limit` bytes only the head is held."""
    raw = file.read(limit + 1)
    if len(raw) <= limit:
        return raw.removeprefix(_BOM)
    size = len(raw)
    while chunk := file.read(_CHUNK):
        size += len(chunk)
    return unreadable(1, raw, f"too long: file of {size} bytes, max_record_bytes is {limit}{hint}", size)


def lines(file: IO[bytes], limit: int) -> Iterator[tuple[int, bytes] | Unreadable]:
    """Number and bytes of each line, without its end; a line over `limit` bytes is skipped in chunks, never held."""
    number = 0
    while line := file.readline(limit + len(_BOM) + 2):  # 2: an end of \r\n
        number += 1
        ended = line.endswith(b"\n")
        if number == 1:
            line = line.removeprefix(_BOM)
        content = line.rstrip(b"\r\n") if ended else line
        if len(content) <= limit:
            yield number, content
            continue
        size, head = len(content), content[: 4 * EXCERPT]
        del line, content
        while not ended and (chunk := file.readline(_CHUNK)):
            ended = chunk.endswith(b"\n")
            size += len(chunk) - ended
        yield unreadable(number, head, f"too long: line of {size} bytes, max_record_bytes is {limit}", size)
