"""HTML pages: a file is a document, its markup included; the edit `html` takes it out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from tasks.ingest.readers.record import Record, Unreadable, decode, unreadable, whole

# The first 1024 bytes may say how a page is encoded (WHATWG HTML standard, 13.2.3.2).
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?\bcharset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_HEAD = 1024
# What pages call Latin-1 or ASCII is Windows-1252 (WHATWG encoding standard, 4.2).
_AS_WINDOWS = frozenset(["ascii", "iso8859-1"])


def read(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    """The page as text: in UTF-8 or UTF-16 by its byte order mark, else UTF-8, else as its `meta` element says."""
    raw = whole(file, limit)
    if isinstance(raw, Unreadable):
        yield raw
        return
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _decode(raw, "utf-16")
    else:
        text = decode(1, raw)
        declared = _CHARSET.search(raw[:_HEAD])
        if isinstance(text, Unreadable) and declared:
            text = _decode(raw, declared[1].decode())
    yield text if isinstance(text, Unreadable) else Record(line=1, raw=raw, value=text)


def _decode(raw: bytes, charset: str) -> str | Unreadable:
    try:
        name = codecs.lookup(charset).name
        text = raw.decode("windows-1252" if name in _AS_WINDOWS else name)
    except (LookupError, UnicodeError) as error:
        return unreadable(1, raw, f"not {charset}, which the page says it is: {error}")
    return unreadable(1, raw, "holds a NUL character") if "\0" in text else text
