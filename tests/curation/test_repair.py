"""The repair gives what ftfy gives for the whole text, though ftfy sees only the lines that it may change."""

from __future__ import annotations

import ftfy
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import LIGATURES, WIDTH_MAP
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_config.clean import RepairConfig
from tasks.curation.edits import repair

SPECIAL = "".join({*"".join(MOJIBAKE_CATEGORIES.values()), *map(chr, (*LIGATURES, *WIDTH_MAP))})
"""Characters that ftfy's heuristics ask for."""
ORDINARY = "aZ9 .,?\n\t\r\x0b\x1c\x1b[0m°²®œŒÃÂĂàâ€ВвΒβ“’–\u00a0\u0085\u2028\u3000漢字ß😀"


def by_ftfy(text: str, *, quotes: bool) -> str:
    plan = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_control_chars=False,
        fix_line_breaks=False,
        uncurl_quotes=quotes,
        normalization=None,
        explain=False,
    )
    return ftfy.fix_text(text, plan)


def misread(text: str, encoding: str) -> str:
    return text.encode().decode(encoding, "replace")


characters = st.one_of(st.sampled_from(SPECIAL), st.sampled_from(ORDINARY), st.characters(codec="utf-8"))
pieces = st.one_of(
    st.text(characters, max_size=4),
    st.builds(
        misread,
        st.text(st.sampled_from("éàß“”’…€漢яж ñ"), min_size=1, max_size=3),
        st.sampled_from(("latin-1", "windows-1252", "macroman", "windows-1251", "windows-1253")),
    ),
    st.sampled_from(("word ", "voilÃ  le", "\n", "\x1b[1;31m", "sœ\n", "ﬁ", "Ａ")),
)


@settings(max_examples=100)
@given(texts=st.lists(st.lists(pieces, max_size=8).map("".join), max_size=4), quotes=st.booleans())
def test_every_text_is_as_ftfy_leaves_it(texts: list[str], quotes: bool):
    changed = repair.edit_batch(texts, RepairConfig(kind="repair", straighten_quotes=quotes))
    expected = {place: by_ftfy(text, quotes=quotes) for place, text in enumerate(texts)}
    assert {place: edited.text for place, edited in changed} == {
        place: text for place, text in expected.items() if text != texts[place]
    }


@pytest.mark.parametrize("pair", ["first", "second"])
def test_every_special_character_beside_others(pair: str):
    """Two or three characters decide in most of the heuristics; a thousand lines at a time."""
    others = "aA. \n" + "".join(sorted({chars[0] for chars in MOJIBAKE_CATEGORIES.values()} | set("Ãœâ€")))
    order = (lambda one, two: one + two) if pair == "first" else (lambda one, two: two + one)
    lines = [f"{order(one, two)}b" for one in sorted(set(SPECIAL)) for two in others]
    text = "\n".join(lines)
    assert repair.edit(text, RepairConfig(kind="repair")).text == by_ftfy(text, quotes=False)


def test_a_line_that_ftfy_cuts():
    """Beyond a million characters it goes on as with a new line, where `Ã ` at the beginning is a wrong decoding."""
    text = "9" * 1_000_000 + "Ã la carte"
    expected = by_ftfy(text, quotes=False)
    assert expected != text
    assert repair.edit(text, RepairConfig(kind="repair")).text == expected
