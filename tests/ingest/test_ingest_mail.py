"""Mail: what is its text, what is left out, and what is no mail."""

from __future__ import annotations

import io
import json
import mailbox
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.corpus.account import Account
from tasks.corpus.document import read_documents
from tasks.ingest.readers import mail
from tasks.ingest.readers.record import Record, Unreadable
from tasks.ingest.stage import ingest_text
from tests.ingest.sources import files_for, text_config

LIMIT = 1 << 20
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)
bodies = st.lists(words, min_size=1, max_size=6).map("\n".join).filter(str.strip)


def message(text: str, subject: str = "About keys", **options: Any) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "Ada <ada@example.org>"
    mail["Date"] = "Sat, 21 Nov 2026 20:15:00 +0000"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content(text, **options)
    return mail


def one(raw: bytes) -> dict[str, Any]:
    (found,) = mail.read_one(io.BytesIO(raw), LIMIT)
    assert isinstance(found, Record), found
    assert isinstance(found.value, dict)
    return found.value


def reason(raw: bytes) -> str:
    (found,) = mail.read_one(io.BytesIO(raw), LIMIT)
    assert isinstance(found, Unreadable), found
    return found.reason


@settings(max_examples=60, deadline=None)
@given(bodies, words, st.sampled_from(["quoted-printable", "base64", "8bit"]))
def test_what_is_written_is_read(text: str, subject: str, encoding: str) -> None:
    found = one(bytes(message(text, subject, cte=encoding)))
    assert found["text"] == text.strip("\n")
    assert " ".join((found["subject"] or "").split()) == " ".join(subject.split())
    assert (found["from"], found["message_id"]) == ("Ada <ada@example.org>", "<1@example.org>")
    assert found["date"] == "Sat, 21 Nov 2026 20:15:00 +0000"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "koi8-r"])
def test_charsets(charset: str) -> None:
    text = "Привет, мир" if charset == "koi8-r" else "Grüße, Zoë"
    assert one(bytes(message(text, charset=charset, cte="base64")))["text"] == text


def test_the_text_is_preferred_to_its_html_and_attachments_are_counted() -> None:
    mail = message("Rotate the key.")
    mail.add_alternative("<p>Rotate <b>the</b> key, in HTML.</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="key.pdf")
    mail.add_attachment("not of the mail", filename="notes.txt")
    found = one(bytes(mail))
    assert (found["text"], found["attachments"]) == ("Rotate the key.", 2)


def test_html_alone_is_taken_to_text_and_a_footer_beside_it_hides_nothing() -> None:
    html = message("<p>Rotate &amp; log.</p>", subtype="html")
    assert one(bytes(html))["text"] == "Rotate & log."
    parts = b"--b\nContent-Type: text/html\n\n<p>Rotate.</p>\n--b\nContent-Type: text/plain\n\nA list's footer\n--b--\n"
    mixed = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + parts
    assert one(mixed)["text"] == "Rotate.\n\nA list's footer"


def test_an_angle_bracket_in_plain_text_is_no_markup() -> None:
    assert one(bytes(message("Write to <ada@example.org> & wait")))["text"] == "Write to <ada@example.org> & wait"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "malformed mail: it has no header"),
        (b"no header, only words\n", "malformed mail: it has no header"),
        (b"Subject: x\nContent-Type: multipart/mixed\n\nhi", "NoBoundaryInMultipartDefect"),
        (b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ncut", "CloseBoundaryNotFoundDefect"),
        (b"Subject: x\nContent-Transfer-Encoding: base64\n\n????\n", "InvalidBase64CharactersDefect"),
        (b"Subject: x\n\nbody \xff", "not utf-8: 'utf-8' codec can't decode byte 0xff"),
        (b"Subject: x\nContent-Type: text/plain; charset=klingon\n\nbody", "not klingon: unknown encoding"),
        (b"Subject: x\nContent-Type: text/plain; charset=hex\n\nbody", "not hex: "),
    ],
)
def test_what_is_malformed_says_why(raw: bytes, said: str) -> None:
    assert said in reason(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_a_reason(raw: bytes) -> None:
    for head in (b"", b"Subject: =?utf-8?q?", b"Content-Type: multipart/alternative; boundary=b\n\n--b\n"):
        assert len(list(mail.read_one(io.BytesIO(head + raw), LIMIT))) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(bodies, min_size=1, max_size=4))
def test_a_mailbox_gives_what_the_standard_library_put_in(tmp_path_factory: Any, texts: list[str]) -> None:
    texts = [text.replace(">From ", "> From ") for text in texts]  # mailbox does not mark these: they are ambiguous
    path = tmp_path_factory.mktemp("mbox") / "a.mbox"
    box = mailbox.mbox(path)
    for text in texts:
        box.add(message(text, cte="8bit"))
    box.flush()
    with path.open("rb") as file:
        found = list(mail.read_many(file, LIMIT))
    assert [item.value["text"] for item in found] == [text.strip("\n") for text in texts]  # type: ignore[index, union-attr]  # mappings, of this reader


def test_a_line_that_begins_with_from_parts_nothing() -> None:
    raw = (
        b"From ada Sat Nov 21 20:15:00 2026\nSubject: a\n\nhi\n\nFrom the start it was clear.\n>From ada at 10:10\n"
        b"From noon on, at 12:00, it was not.\n\n"
        b"From bob Sat Nov 21 20:16:00 2026\nSubject: b\n\nho\n"
    )
    first, second = mail.read_many(io.BytesIO(raw), LIMIT)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (
        first.value["text"]
        == "hi\n\nFrom the start it was clear.\nFrom ada at 10:10\nFrom noon on, at 12:00, it was not."
    )  # type: ignore[index]  # a mapping, of this reader
    assert (second.line, second.value["text"]) == (10, "ho")  # type: ignore[index]  # a mapping, of this reader


FROM_LINES = [
    b"From ada@example.org Sat Nov 21 20:15:00 2026",  # RFC 4155, appendix A
    b"From - Sat Nov 21 20:15:00 2026",
    b"From Sat Nov 21 20:15:00 2026",
    b"From ada Sun Nov  1 20:15 2026",
    b"From ada at example.org  Sat Nov 21 20:15:00 2026",
    b"From 1234@xxx Sat Nov 21 20:15:00 +0000 2026",
    b"From ada Sat Nov 21 20:15:00 CET 2026",
    b"From ada Sat Nov 21 20:15:00 2026 +0100",
    b"From ada Sat, 21 Nov 2026 20:15:00 +0100",
    b"From ada Sat Nov 21 20:15:00 2026 remote from host",
]
NO_FROM_LINES = [
    b"From the beginning at 10:30 we saw errors",
    b"From noon on, at 12:00, it was not.",
    b"From Sat Nov 21 20:15:00 2026 on we saw errors",
    b"From Saturday at 20:15 to Nov 21 2026",
    b"From ada 21 Nov 2026 20:15:00",
    b"From ada Sat 21 20:15:00 2026",
    b"From ada Sat Nov 21 20:15:00",
    b"From:ada Sat Nov 21 20:15:00 2026",
]


@pytest.mark.parametrize("line", [*FROM_LINES, *NO_FROM_LINES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_message_begins_at_a_line_with_a_whole_date(line: bytes, end: bytes) -> None:
    lines = [FROM_LINES[0], b"Subject: a", b"", b"hi", b"", line, b"Subject: b", b"", b"ho", b""]
    found = list(mail.read_many(io.BytesIO(end.join(lines)), LIMIT))
    got = [item.value["text"] for item in found]  # type: ignore[index, union-attr]  # mappings, of this reader
    assert got == (["hi", "ho"] if line in FROM_LINES else [f"hi\n\n{line.decode()}\nSubject: b\n\nho"])


def test_a_long_line_that_begins_with_from_takes_linear_time() -> None:
    lines = b"From " + b"Sat Nov 21 20:15:00 2026 " * 30_000 + b"."
    [found] = mail.read_many(io.BytesIO(FROM_LINES[0] + b"\nSubject: a\n\nhi\n\n" + lines + b"\n"), LIMIT)
    assert isinstance(found, Record)


def test_a_mail_within_a_mail_is_text_unless_it_is_attached() -> None:
    inner = message("The inner text.", subject="Inner")
    passed_on = b"Subject: Outer\nContent-Type: message/rfc822\n\n" + bytes(inner)
    found = one(passed_on)
    assert (found["text"], found["subject"], found["attachments"]) == ("The inner text.", "Outer", 0)
    twice = b"Subject: Outermost\nContent-Type: message/rfc822\n\n" + passed_on
    assert one(twice)["text"] == "The inner text."

    parts = [b"--b", b"", b"Subject: one", b"", b"First.", b"--b", b"", b"Subject: two", b"", b"Second.", b"--b--", b""]
    digest = b"Subject: digest\nContent-Type: multipart/digest; boundary=b\n\n" + b"\n".join(parts)  # RFC 2046, 5.1.5
    assert (one(digest)["text"], one(digest)["attachments"]) == ("First.\n\nSecond.", 0)

    inner.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="key.pdf")
    outer = message("See below.")
    outer.add_attachment(inner, disposition="inline")
    assert (one(bytes(outer))["text"], one(bytes(outer))["attachments"]) == ("See below.\n\nThe inner text.", 1)
    outer = message("See the mail.")
    outer.add_attachment(inner)
    assert (one(bytes(outer))["text"], one(bytes(outer))["attachments"]) == ("See the mail.", 1)


def test_a_mail_within_a_mail_that_has_no_header_is_an_attachment() -> None:
    raw = b"Subject: x\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n"
    assert (one(raw)["text"], one(raw)["attachments"]) == ("", 1)


def test_a_mailbox_is_ingested_with_places_reasons_and_an_account_that_balances(
    run_stage: Any, put: Any, tmp_path: Path
) -> None:
    with_file = message("See the file.")
    with_file.add_attachment(b"x" * 90, maintype="application", subtype="pdf", filename="key.pdf")
    head = b"From ada Sat Nov 21 20:15:00 2026\n"
    good, long = head + bytes(with_file) + b"\n", head + b"Subject: long\n\n" + b"word " * 1000 + b"\n\n"
    bad = head + b"Subject: bad\nContent-Type: text/plain; charset=klingon\n\nbody\n"
    put("in/a.mbox", b"stray\n\n" + good + long + bad)
    put("in/b.eml", bytes(message("Alone.")))
    config = text_config("in", text=("subject", "text"), metadata=("from", "attachments"), max_record_bytes=2000)
    artifact = run_stage(ingest_text, config, files_for(config, tmp_path), node="ingest.corpus")
    documents = {
        row["text"]: json.loads(row["metadata"]) for row in read_documents(artifact.path / "documents").to_pylist()
    }
    assert set(documents) == {"About keys\n\nSee the file.", "About keys\n\nAlone."}
    assert documents["About keys\n\nSee the file."] == {
        "columns": {"attachments": 1, "from": "Ada <ada@example.org>"},
        "fields": [len("About keys"), len("See the file.")],
        "file": "in/a.mbox",
        "line": 3,
    }
    after_good = 3 + good.count(b"\n")
    quarantined = [
        (row["file"], row["line"], row["reason"].split(":")[0])
        for row in pq.read_table(artifact.path / "quarantine.parquet").to_pylist()
    ]
    assert quarantined == [
        ("in/a.mbox", 1, "no message begins here"),
        ("in/a.mbox", after_good, "too long"),
        ("in/a.mbox", after_good + long.count(b"\n"), "not klingon"),
    ]
    assert artifact.metrics["attachments_left_out"] == {"docs": 1}
    account = Account(**artifact.metrics["account"]).check()
    assert (account.documents_in, account.documents_kept, account.documents_quarantined) == (5, 2, 3)
