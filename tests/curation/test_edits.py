"""One sentence per edit, and the bytes that it cuts and inserts."""

from __future__ import annotations

import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline_config.clean import Edit
from tasks.curation.editing import apply, apply_all, apply_batch
from tasks.curation.edits.edited import Edited


def edit(text: str, **config: Any) -> Edited:
    return apply(TypeAdapter(Edit).validate_python(config), text)


@pytest.mark.parametrize(
    ("config", "before", "after", "cut", "inserted"),
    [
        # Ã©: four bytes that stand for the two of é; one of them (C3) is in both
        ({"kind": "repair"}, "A cafÃ© bucket", "A café bucket", 2, 0),
        ({"kind": "repair"}, "a conﬁguration", "a configuration", 3, 2),
        ({"kind": "repair"}, "typographic “quotes” and ² stay", "typographic “quotes” and ² stay", 0, 0),
        ({"kind": "repair", "straighten_quotes": True}, "“so”", '"so"', 6, 2),
        ({"kind": "repair"}, "&lt;b&gt; stays: entities are the business of html", None, 0, 0),
        ({"kind": "normal_form"}, "cafe\u0301", "café", 3, 2),
        ({"kind": "normal_form"}, "10² m", "10² m", 0, 0),
        ({"kind": "normal_form", "form": "NFKC"}, "10² m", "102 m", 2, 1),
        ({"kind": "html"}, "<p>Rotate &amp; log.</p>", "Rotate & log.", 11, 0),
        ({"kind": "html"}, "if a < b then c", None, 0, 0),
        ({"kind": "markdown"}, "Use **IAM** roles", "Use IAM roles", 4, 0),
        ({"kind": "whitespace"}, "one\r\ntwo\u2028three", "one\ntwo\nthree", 4, 1),
        ({"kind": "whitespace"}, "\ufeffzero\u200bwidth\x00 \u00ad", "zerowidth", 10, 0),
        ({"kind": "whitespace"}, "می‌خواهم", None, 0, 0),
        ({"kind": "whitespace"}, "a  \n\n\n\nb\t\n", "a\n\nb", 6, 0),
        ({"kind": "whitespace", "max_empty_lines": 0}, "a\n\nb", "a\nb", 1, 0),
        ({"kind": "whitespace", "collapse_spaces": True}, "  a   b", "  a b", 2, 0),
        ({"kind": "whitespace"}, "  a   b", None, 0, 0),
        ({"kind": "drop_lines", "min_words": 3}, "Home\n\nKeep these words", "\nKeep these words", 5, 0),
        ({"kind": "drop_lines", "terminal_punctuation": True}, "A menu\nA sentence.", "A sentence.", 7, 0),
        ({"kind": "drop_lines", "containing": ["JavaScript"]}, "Enable javascript.\nText.", "Text.", 19, 0),
    ],
)
def test_an_edit(config: dict[str, Any], before: str, after: str | None, cut: int, inserted: int):
    edited = edit(before, **config)
    assert (edited.text, edited.cut, edited.inserted) == (before if after is None else after, cut, inserted)
    assert bool(edited.reason) == (edited.text != before)


def test_the_reason_of_dropped_lines_names_the_rules():
    edited = edit("Menu\nThe policy applies here", kind="drop_lines", min_words=2, containing=("policy",))
    assert edited.reason == "lines dropped: contains 'policy', under 2 words"


@given(st.text(max_size=60))
def test_bytes_balance_for_every_edit(text: str):
    for config in (
        {"kind": "repair"},
        {"kind": "normal_form"},
        {"kind": "html"},
        {"kind": "markdown"},
        {"kind": "whitespace"},
        {"kind": "drop_lines", "min_words": 2},
    ):
        edited = edit(text, **config)
        assert len(text.encode()) - edited.cut + edited.inserted == len(edited.text.encode())
        assert edited.cut >= 0
        assert edited.inserted >= 0


@given(st.text(max_size=60))
def test_normal_form_and_white_space_are_done_once(text: str):
    once = edit(edit(text, kind="whitespace").text, kind="normal_form").text
    assert unicodedata.is_normalized("NFC", once)
    assert not edit(edit(text, kind="whitespace").text, kind="whitespace").reason


def test_edits_go_one_after_another_and_only_for_their_sources():
    edits = TypeAdapter(tuple[Edit, ...]).validate_python(
        [{"kind": "html", "sources": ["docs"]}, {"kind": "whitespace"}, {"kind": "normal_form"}]
    )
    text, changes = apply_all(edits, "docs", "<p>a</p>\r\n")
    assert text == "a"
    assert [position for position, _ in changes] == [0]
    text, changes = apply_all(edits, "tickets", "<p>a</p>\r\n")
    assert text == "<p>a</p>"
    assert [position for position, _ in changes] == [1]


@pytest.mark.parametrize("kind", ["repair", "normal_form", "html", "whitespace", "drop_lines", "c4_lines"])
@pytest.mark.parametrize(
    "text", [" " * 300_000 + "x", "\n" * 300_000 + "x", "a" * 300_000, "<" * 300_000, "&" * 300_000]
)
def test_a_document_of_one_repeated_character_takes_linear_time(kind: str, text: str):
    start = time.process_time()
    edit(text, kind=kind)
    assert time.process_time() - start < 3  # the square of the run would be minutes


@given(
    texts=st.lists(
        st.one_of(
            st.text(st.sampled_from("ab \n\t\r\x0b\x1c\x85\xa0\u2028\u200b\u3000\ufeff"), max_size=8),
            st.text(max_size=5),
        ),
        max_size=4,
    ),
    max_empty_lines=st.sampled_from((0, 1, 2, 5000)),
    collapse_spaces=st.booleans(),
)
def test_white_space_of_a_batch_is_tidied_as_that_of_each_text(
    texts: list[str], max_empty_lines: int, collapse_spaces: bool
):
    config = TypeAdapter(Edit).validate_python(
        {"kind": "whitespace", "max_empty_lines": max_empty_lines, "collapse_spaces": collapse_spaces}
    )
    one_by_one = [apply(config, text).text for text in texts]
    assert [text for text, _ in apply_batch((config,), [""] * len(texts), texts)] == one_by_one
