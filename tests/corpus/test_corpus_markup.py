"""What a reader sees stays; markup goes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.markup import flattened, html_to_text, markdown_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a < b & c", "a < b & c"),
        ("  spaces   stay  ", "  spaces   stay  "),
        ("<p>one <b>bold</b>ly</p><p>two &amp; three</p>", "one boldly\n\ntwo & three"),
        ("<ul>\n <li>x</li>\n <li>y</li>\n</ul>", "x\ny"),
        ("<script>var x</script>hi<br>there<style>p{}</style>", "hi\nthere"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
        ("<pre>if x:\n    y\n</pre>end", "if x:\n    y\n\n\nend"),
        ("a&nbsp;b &lt;tag&gt;", "a b <tag>"),
        ("<p>unclosed <i>x", "unclosed x"),
        ("<!-- note -->text", "text"),
        ("<p>   </p>", ""),
        ("<note> <p>inside</p> </note> after", "inside\n\nafter"),
    ],
)
def test_html(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Bold** _it_ `code_x` [link](http://a.b) text", "Bold it code_x link text"),
        ("# Title\n\n- a\n- b", "Title\n\na\nb"),
        ("snake_case_name and 2 * 3", "snake_case_name and 2 * 3"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b\n1 2"),
        ("plain text", "plain text"),
    ],
)
def test_markdown(markdown: str, text: str) -> None:
    assert markdown_to_text(markdown) == text


@given(st.text())
def test_no_input_breaks_it(text: str) -> None:
    html_to_text(f"<p>{text}")
    markdown_to_text(f"*{text}")


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1))
def test_words_between_tags_survive_in_order(words: list[str]) -> None:
    html = "".join(f"<p>{word}</p>" for word in words)
    assert html_to_text(html).split() == words


@pytest.mark.parametrize("opened", ["<div>", "<ul><li>", "<table><tr><td>", "<b>", "<blockquote><p>"])
def test_however_deep_the_text_is_found_in_linear_time(opened: str):
    start = time.process_time()
    assert html_to_text(opened * 100_000 + "deep" + "</div>" * 100_000 + "<p>after</p>").split() == ["deep", "after"]
    assert time.process_time() - start < 4  # the square of the depth would be a minute


def test_pages_of_any_length_are_flat_enough():
    page = "<div><p>one<br><img src=x><ul><li>two<li>three</ul></div>" * 1000
    assert flattened(page) == page
    deep = "<div>" * 512 + "<i>x</i>" + "</div>" * 512 + "<i>y</i>"
    assert flattened(deep) == deep.replace("<i>x</i>", " x ")
