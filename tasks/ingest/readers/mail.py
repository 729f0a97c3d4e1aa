"""Mail (RFC 5322, MIME RFC 2045-2049): one message a file (.eml), or one after another (.mbox, RFC 4155).

The columns of a message are `text`, `subject`, `from`, `date`, `message_id` and `attachments`: how many parts were left
out since they are no text of the mail itself. Mails within a mail (a digest, or one passed on) are text of it unless
they are attachments by their disposition. Of alternatives plain text is preferred; where there is HTML alone it is
taken to plain text here, since one source holds mails of both kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError, InvalidBase64PaddingDefect
from email.header import decode_header, make_header
from email.message import Message
from typing import IO, Any

from tasks.corpus.markup import html_to_text
from tasks.ingest.readers.record import Record, Unreadable, lines, unreadable, whole

MOST_CONTAINERS = 50
"""Multiparts and forwarded messages within one mail. The library's parser descends by recursion, and each line is
compared with the boundary of each level; people forward a thread a dozen levels deep."""
MOST_HEADER = 10_000
"""Characters of a subject, an address, a date or an id; a line has at most 998 (RFC 5322, 2.1.1), folded ones more."""

_CONTAINER = re.compile(rb"\b(?:multipart|message)\s*/", re.IGNORECASE)
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"\d\d?:\d\d(?::\d\d)?"
_ZONE = rb"(?:\s+[A-Za-z0-9+-]{1,6})?"
# From sender Sat Nov 21 20:15:00 2026, with a zone before or after the year; some write the date as in a header.
_SEPARATOR = re.compile(
    rb"From (?:.*\s)?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
    rb"(?:\s+%(month)s\s+\d\d?\s+%(time)s%(zone)s\s+\d{4}%(zone)s"
    rb"|,\s+\d\d?\s+%(month)s\s+\d{4}\s+%(time)s%(zone)s)"
    rb"(?:\s+remote from .*)?\s*\Z" % {b"month": _MONTH, b"time": _TIME, b"zone": _ZONE}
)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_FORWARDED = ("message/rfc822", "message/global")  # RFC 2046, 5.2.1; RFC 6532, 3.7
_HEADERS = {"subject": "subject", "from": "from", "date": "date", "message_id": "message-id"}


class _Malformed(ValueError):
    """Why a message is no record."""


def read_one(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    """The one message of a file."""
    raw = whole(file, limit)
    yield raw if isinstance(raw, Unreadable) else _record(1, raw)


def read_many(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    """The messages of a mailbox, each with the number of its `From ` line.

    A message begins at a line `From sender date` (of asctime: weekday, month, day, time, year; a zone may stand beside
    the year; or of a header) that stands first or after an empty line; `>From ` within one loses
    its mark. What stands before the first such line is no message.
    """
    start, size, held = 1, 0, list[bytes]()
    inside = after_empty = False
    excerpt = b""

    def message() -> Record | Unreadable:
        if not inside:
            return unreadable(
                start,
                excerpt,
                "no message begins here: expected a line 'From sender weekday month day time year'",
                size,
            )
        if size > limit:
            return unreadable(start, excerpt, f"too long: message of {size} bytes, max_record_bytes is {limit}", size)
        return _record(start, _QUOTED.sub(rb"\1", b"\n".join(held).removesuffix(b"\n")))

    for item in lines(file, limit):
        number, line = (item.line, item.excerpt.encode()) if isinstance(item, Unreadable) else item
        if isinstance(item, tuple) and (number == 1 or after_empty) and _SEPARATOR.match(line):
            if inside or size:
                yield message()
            start, size, held, inside, after_empty, excerpt = number, 0, [], True, False, b""
            continue
        size += (item.size if isinstance(item, Unreadable) else len(line)) + 1
        excerpt = excerpt or line
        after_empty = not line
        if size <= limit:
            held.append(line)
        else:
            held = []
    if inside or size:
        yield message()


def _record(line: int, raw: bytes) -> Record | Unreadable:
    try:
        return Record(line=line, raw=raw, value=_columns(raw))
    except _Malformed as error:
        return unreadable(line, raw, str(error))


def _columns(raw: bytes) -> dict[str, Any]:
    containers = sum(1 for _ in _CONTAINER.finditer(raw))
    if containers > MOST_CONTAINERS:
        raise _Malformed(f"MIME nested too deep or too often: {containers} containers, at most {MOST_CONTAINERS}")
    mail = message_from_bytes(raw)
    if not mail.keys():
        raise _Malformed("malformed mail: it has no header")
    headers = {name: _header(mail, header) for name, header in _HEADERS.items()}
    text, attachments = _body(mail)
    return {"text": text, **headers, "attachments": attachments}


def _body(part: Message) -> tuple[str, int]:
    """The text of a part and of those within it, and how many of these are attachments."""
    _refuse_defects(part)
    kind = part.get_content_type()
    if kind.startswith("multipart/"):
        children = [child for child in part.get_payload() if isinstance(child, Message)]
        kinds = [child.get_content_type() for child in children]
        bodies = [_body(child) for child in children]
        texts, attachments = [text for text, _ in bodies], sum(count for _, count in bodies)
        if kind == "multipart/alternative":
            plain = [text for child, text in zip(kinds, texts, strict=True) if child == "text/plain" and text.strip()]
            rich = [text for text in texts if text.strip()]  # the richest stands last (RFC 2046, 5.1.4)
            return (plain[:1] or rich[-1:] or [""])[0], attachments
        return "\n\n".join(text for text in texts if text.strip()), attachments
    attached = part.get_content_disposition() == "attachment"
    if kind in _FORWARDED and not attached:
        inner = part.get_payload(0) if part.is_multipart() else None
        if isinstance(inner, Message) and inner.keys():
            return _body(inner)
    if attached or kind not in ("text/plain", "text/html"):
        return "", 1
    text = _decoded(part).replace("\r\n", "\n").strip("\n")
    return html_to_text(text) if kind == "text/html" else text, 0


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    _refuse_defects(part)  # of base64 they come to light only now
    assert isinstance(payload, bytes)  # it is no multipart
    charset = part.get_content_charset() or "utf-8"
    try:
        return payload.decode("utf-8" if charset in ("us-ascii", "ascii") else charset)
    except (LookupError, UnicodeError) as error:
        raise _Malformed(f"not {charset}: {error}") from None


def _refuse_defects(part: Message) -> None:
    found = [type(defect) for defect in part.defects if not isinstance(defect, InvalidBase64PaddingDefect)]
    if found:
        said = (found[0].__doc__ or found[0].__name__).splitlines()[0].rstrip(".")
        raise _Malformed(f"malformed mail: {said} ({found[0].__name__})")


def _header(mail: Message, name: str) -> str | None:
    """A header as text; words that cannot be decoded stay as they are written."""
    value = mail[name]
    if value is None:
        return None
    written = " ".join(str(value).split())
    if len(written) > MOST_HEADER:
        raise _Malformed(f"too long: header {name} of {len(written)} characters, at most {MOST_HEADER}")
    try:
        return str(make_header(decode_header(written)))
    except (HeaderParseError, LookupError, ValueError):
        return written
