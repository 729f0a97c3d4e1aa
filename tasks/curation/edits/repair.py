"""Repair of text that was decoded wrongly somewhere on its way, by ftfy (Speer 2019, zenodo 2591652).

ftfy mends a text line by line, and of most lines it finds after some 70 ns a byte that nothing is wrong. Which lines it
may change can be told 50 times faster: those that hold a character that one of its fixes replaces, or what its
heuristic of wrong decodings (`ftfy.badness`) looks for, here as an expression without look-around for RE2, which reads
each byte once. The expression is made of ftfy's own tables and matches more than they do, never less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

import ftfy
import numpy as np
import pyarrow.compute as pc
from ftfy.badness import BADNESS_RE
from ftfy.chardata import LIGATURES, WIDTH_MAP
from numpy.typing import NDArray

from pipeline_config.clean import RepairConfig
from tasks.corpus.document import text_array
from tasks.curation.edits.edited import Edited

_CLASS_OR_BLANK = re.compile(r"(\[[^\]]*\])|#[^\n]*|\s+")  # of a verbose expression; white space counts in a class
_REPLACED = "\x1b\x80-\x9f" + "".join(map(chr, (*LIGATURES, *WIDTH_MAP)))
_QUOTES = "\u02bc\u2018-\u201f"
# What the classes mean is fixed by no version of Unicode: RE2 and Python need not have the same one.
_WIDER = {
    r"\w": r"[0-9A-Za-z_\x{80}-\x{10ffff}]",
    r"\s": r"[\t-\r\x{1c}-\x{20}\x{80}-\x{10ffff}]",
    "^": "",  # ftfy cuts very long lines, so that a match may begin anywhere
}


def edit(text: str, config: RepairConfig) -> Edited:
    return next((edited for _, edited in edit_batch([text], config)), Edited(text))


def edit_batch(texts: Sequence[str], config: RepairConfig) -> Iterator[tuple[int, Edited]]:
    """The texts that the edit changes, by their place; the others are hardly looked at."""
    rows = [row for row, text in enumerate(texts) if not text.isascii() or "\x1b" in text]  # ASCII is never wrong
    for row in _may_change([texts[row] for row in rows], config.straighten_quotes).tolist():
        text = texts[rows[row]]
        edited = Edited.between(text, _fixed(text, config), "characters repaired")
        if edited.reason:
            yield rows[row], edited


def _fixed(text: str, config: RepairConfig) -> str:
    plan = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_control_chars=False,
        fix_line_breaks=False,
        uncurl_quotes=config.straighten_quotes,
        normalization=None,
        explain=False,
    )
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # as ftfy cuts them
    for line in _may_change(lines, config.straighten_quotes).tolist():
        lines[line] = ftfy.fix_text(lines[line], plan)
    return "".join(lines)


def _may_change(texts: Sequence[str], quotes: bool) -> NDArray[np.int64]:
    """The places of those that ftfy may change; it leaves the others as they are."""
    held = text_array(texts)
    return np.flatnonzero(pc.match_substring_regex(held, _expression(quotes)).to_numpy(zero_copy_only=False))


@cache
def _expression(quotes: bool) -> str:
    """What RE2 finds in every text that ftfy changes."""
    heuristic = _CLASS_OR_BLANK.sub(r"\1", BADNESS_RE.pattern)
    parts = re.split(r"(\[[^\]]*\])", heuristic)  # classes at odd places
    for place in range(0, len(parts), 2):
        for written, wider in _WIDER.items():
            parts[place] = parts[place].replace(written, wider)
    return f"(?s)[{_REPLACED}{_QUOTES if quotes else ''}]|{''.join(parts)}"
