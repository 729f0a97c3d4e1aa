"""HTML pages as records: their markup stays, their encoding is what they say."""

from __future__ import annotations

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest.readers import html_page
from tasks.ingest.readers.record import Record, Unreadable

PAGE = '<!doctype html><html><head><meta charset="{}"><title>T</title></head><body><p>{}</p></body></html>'


def read(raw: bytes, limit: int = 1 << 20) -> Record | Unreadable:
    (found,) = html_page.read(io.BytesIO(raw), limit)
    return found


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_a_page_of_utf_8_is_its_own_text(text: str) -> None:
    page = PAGE.format("utf-8", text)
    assert read(page.encode()) == Record(line=1, raw=page.encode(), value=page)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("iso-8859-1", "windows-1252"),
        ("windows-1252", "windows-1252"),
        ("latin1", "windows-1252"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_the_meta_element_tells_the_encoding(declared: str, encoding: str) -> None:
    page = PAGE.format(declared, "Привет" if encoding == "koi8-r" else "Grüße “quoted”")
    found = read(page.encode(encoding))
    assert isinstance(found, Record)
    assert found.value == page
    older = page.replace(f'charset="{declared}"', f'http-equiv="Content-Type" content="text/html; charset={declared}"')
    found = read(older.encode(encoding))
    assert isinstance(found, Record)
    assert found.value == older


def test_utf_16_is_known_by_its_mark() -> None:
    found = read(codecs.BOM_UTF16_LE + "<p>ü</p>".encode("utf-16-le"))
    assert isinstance(found, Record)
    assert found.value == "<p>ü</p>"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<p>caf\xe9</p>", "not UTF-8: byte 0xe9 at 6"),
        (
            b'<meta charset="klingon"><p>caf\xe9</p>',
            "not klingon, which the page says it is: unknown encoding: klingon",
        ),
        (b'<meta charset="hex"><p>caf\xe9</p>', "not hex, which the page says it is: "),
        (b'<meta charset="koi8-r"><p>\xff\x00</p>', "holds a NUL character"),
    ],
)
def test_other_bytes_are_quarantined(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert isinstance(found, Unreadable)
    assert found.reason.startswith(reason)


def test_a_long_page_is_quarantined() -> None:
    found = read(b"<p>" * 100, limit=99)
    assert isinstance(found, Unreadable)
    assert (found.size, found.reason) == (300, "too long: file of 300 bytes, max_record_bytes is 99")
