"""What of a page is left when it is asked for its main content, or for running text alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_config.clean import HtmlConfig
from tasks.corpus.markup import html_to_text
from tasks.curation.editing import apply

ARTICLE = "".join(f"<p>Sentence {n} of an article says what its reader came for, at some length.</p>" for n in range(9))
PAGE = (
    "<html><body><nav><ul><li><a href='/'>Home</a></li><li><a href='/shop'>Shop</a></li></ul></nav>"
    f"<article><h1>The title</h1>{ARTICLE}<p>Call <code>rotate()</code> twice a year.</p></article>"
    "<footer><a href='/privacy'>Privacy policy</a></footer></body></html>"
)
WIKI = (
    "<h2>Mills<span class='mw-editsection'>[edit]</span></h2><p>A mill turns<sup class='reference'>[1]</sup>.</p>"
    "<ul><li>one<ul><li>within</li></ul></li></ul><dl><dt>term</dt></dl><table><tr><td>cell</td></tr></table>"
    "<h2 id='References'>References</h2><ol class='references'><li>A book.</li></ol>"
)


def text(html: str, **options: Any) -> str:
    return apply(HtmlConfig(kind="html", **options), html).text


def test_main_content_is_the_article() -> None:
    found = text(PAGE, main_content=True)
    assert found.startswith("The title\n\nSentence 0 of")
    assert found.endswith("\n\nCall rotate() twice a year.")
    assert found.count("Sentence") == 9
    assert "Home" in text(PAGE)
    assert "Privacy" in text(PAGE)


@pytest.mark.parametrize(
    "html", ["", "no markup", "<p>short</p>", "<nav>Only navigation</nav>", "<div>" * 9999 + "deep"]
)
def test_where_no_main_content_is_found_the_text_stays(html: str) -> None:
    assert text(html, main_content=True) == html_to_text(html)


@pytest.mark.parametrize(
    ("option", "gone"),
    [
        ("lists", ["one", "within", "term", "A book."]),
        ("tables", ["cell"]),
        ("headers", ["Mills", "[edit]", "References"]),
        ("references", ["[1]", "References", "A book."]),
    ],
)
def test_the_wikipedia_rule_part_by_part(option: str, gone: list[str]) -> None:
    whole, without = html_to_text(WIKI), text(WIKI, **{option: False})
    assert all(part in whole and part not in without for part in gone)
    parts = ["one", "within", "term", "A book.", "cell", "Mills", "[edit]", "References", "[1]", "A mill turns"]
    assert all(part in without for part in parts if part not in gone)


def test_the_whole_wikipedia_rule_leaves_running_text() -> None:
    assert text(WIKI, lists=False, tables=False, headers=False, references=False) == "A mill turns."


@given(st.text(alphabet="<>/ab &;ulp\n", max_size=60))
def test_bytes_balance_whatever_is_left_out(html: str) -> None:
    for options in ({"main_content": True}, {"lists": False, "references": False}):
        edited = apply(HtmlConfig(kind="html", **options), html)
        assert len(html.encode()) - edited.cut + edited.inserted == len(edited.text.encode())
