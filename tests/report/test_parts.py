"""The small parts: what is made visible, marked and drawn."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from tasks.report.charts.bar import bar
from tasks.report.charts.curve import MOST_POINTS, running_mean, thinned
from tasks.report.charts.graph import layers
from tasks.report.charts.svg import element, ticks
from tasks.report.difference import side_by_side
from tasks.report.passages import passages, shared
from tasks.report.wording import duration, marked, moment, number, percent, size, user
from tasks.runtime.visible import visible


def plain(markup: str) -> str:
    return re.sub("<.*?>", "", markup).replace("\u202f", " ")


def test_control_characters_are_seen_and_do_nothing() -> None:
    assert visible("a\x00b\x1bc\u202ed\ud800e\r\nf\tg") == "a[U+0000]b[U+001B]c[U+202E]d[U+D800]e\nf\tg"
    assert visible("naïve 漢字 👩‍👩‍👧 العربية") == "naïve 漢字 👩‍👩‍👧 العربية"


def test_a_users_text_is_escaped_once_and_bounded() -> None:
    assert user("<b>&amp;") == Markup('<bdi class="user">&lt;b&gt;&amp;amp;</bdi>')
    assert len(user("x" * 10_000)) < 500


def test_marks_lie_where_they_should_even_among_what_is_escaped() -> None:
    assert marked("<a> bad <b>", [(4, 7)]) == '<bdi class="user" dir="auto">&lt;a&gt; <mark>bad</mark> &lt;b&gt;</bdi>'
    assert plain(marked("abcdef", [(1, 4), (0, 3)])) == "abcdef"
    assert "<mark>abc</mark><mark>d</mark>ef" in marked("abcdef", [(1, 4), (0, 3)])
    assert plain(marked("", [])) == ""


def test_an_excerpt_is_taken_around_the_passage() -> None:
    text = "a " * 5000 + "needle" + " b" * 5000
    shown = marked(text, [(10_000, 10_006)])
    assert "<mark>needle</mark>" in shown
    assert plain(shown).startswith("… a")
    assert plain(shown).endswith(" …")
    assert len(plain(shown)) < 620
    assert len(plain(marked("x" * 10**6, []))) < 620


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        ("symbols", "a # b ... c", ["#", "..."]),
        ("curly_braces", "f() { }", ["{", "}"]),
        ("longest_word", "short looooong word", ["looooong"]),
        ("duplicate_lines", "one\ntwo\none\n", ["one"]),
        ("top_ngrams", "a b c x a b c", ["a b c", "a b c"]),
        ("short_lines", "short\n" + "long " * 20, ["short"]),
        ("alphabetic_words", "one 22 3.4 two", ["22", "3.4"]),
        ("language", "Guten Tag", []),
        ("of the future", "anything", []),
    ],
)
def test_the_passage_that_a_rule_looked_at(rule: str, text: str, found: list[str]) -> None:
    assert [text[low:high] for low, high in passages(rule, text)] == found


def test_passages_are_bounded() -> None:
    assert len(passages("symbols", "#" * 10**6)) == 40


def test_what_two_texts_share() -> None:
    text = "Before it: the quick, BROWN fox jumps; after it."
    (span,) = shared(text, "the quick brown fox jumps over", 5)
    assert text[slice(*span)] == "the quick, BROWN fox jumps"
    assert shared(text, "nothing of the kind", 4) == []
    assert shared("", "", 13) == []


def test_differences_side_by_side() -> None:
    left, right = side_by_side("The old <key> is kept.", "The new <key> is kept.")
    assert "<del>old</del> &lt;key&gt;" in left
    assert "<ins>new</ins> &lt;key&gt;" in right
    left, right = side_by_side("same " * 1000 + "left", "same " * 1000 + "right")
    assert "<del>left</del>" in left
    assert plain(right).startswith("… ")
    same, _ = side_by_side("x", "x")
    assert "<del>" not in same


def test_a_difference_of_a_megabyte_takes_no_time() -> None:
    left, right = side_by_side("a b " * 250_000, "b a " * 250_000)
    assert len(left) + len(right) < 20_000


def test_numbers_have_units_and_thin_spaces() -> None:
    assert [plain(one) for one in (size(1.5e6), size(999), duration(75), duration(125), duration(7322))] == [
        "1.5 MB", "999 B", "75 s", "2 min 05 s", "2 h 02 min",
    ]  # fmt: skip
    assert [plain(percent(one)) for one in (0, 0.00001, 0.5, 0.99999, 1)] == [
        "0.0 %", "<\u00a00.1 %", "50.0 %", ">\u00a099.9 %", "100.0 %",
    ]  # fmt: skip
    assert number(-0.00012345) == "−0.0001234"
    assert "not a time" in moment("not a time<")
    assert "&lt;" in moment("not a time<")


def test_marks_of_an_axis_are_round() -> None:
    assert ticks(0, 1, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-7, 23, 4) == [0, 10, 20]
    assert ticks(0.61, 0.64, 3) == [0.61, 0.62, 0.63, 0.64]
    assert len(ticks(5, 5)) > 0


def test_curves_are_thinned_and_smoothed() -> None:
    points = [(float(step), float(step % 2)) for step in range(10_000)]
    thin = thinned(points)
    assert len(thin) <= MOST_POINTS
    assert thin[-1][0] == 9999
    assert all(value == pytest.approx(0.5, abs=0.02) for _, value in thin)
    assert running_mean([(1, 0.0), (2, 3.0), (3, 0.0)], 3) == [(1, 1.5), (2, 1.0), (3, 1.5)]


def test_a_row_of_the_graph_stands_below_what_it_was_made_from() -> None:
    edges = {"b": ["a"], "c": ["a", "file"], "d": ["b", "c"], "e": ["d", "a"]}
    assert layers(["file", "a", "b", "c", "d", "e"], edges) == [["file", "a"], ["b", "c"], ["d"], ["e"]]
    assert layers(["alone"], {}) == [["alone"]]


def test_bars_never_leave_their_cell() -> None:
    widths = [float(width) for width in re.findall(r'width="([\d.]+)"', bar([(0.7, "keep"), (0.9, "drop")]))]
    assert widths == [70.0, 30.0]
    assert "rect" not in bar([(0.0, "keep"), (-0.2, "drop")])


def test_an_element_escapes_what_stands_in_it() -> None:
    assert element("text", "<&", x=1.25, class_='"') == '<text x="1.2" class="&#34;">&lt;&amp;</text>'
