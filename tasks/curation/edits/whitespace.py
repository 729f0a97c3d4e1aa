"""Control and invisible characters, line ends, white space at line ends, empty lines.

The joiners U+200C and U+200D stay: words of several scripts, and emoji, are spelled with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc

from pipeline_config.clean import WhitespaceConfig
from tasks.corpus.document import text_array
from tasks.curation.edits.edited import Edited

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
# Tried once a run of spaces and never given back, or the effort would grow with the square of the run.
_AT_LINE_END = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n|\Z)")
_SPACES = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
_BLANK = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"  # of white space what is not tidied away in any place
_MOST_REPEATS = 1000  # that RE2 counts


def edit_batch(texts: Sequence[str], config: WhitespaceConfig) -> Iterator[tuple[int, Edited]]:
    """The texts that the edit changes, by their place; RE2 tells from one pass over all where to look."""
    held = text_array(texts)
    untidy = pc.match_substring_regex(held, _untidy(config)).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(untidy).tolist():
        edited = edit(texts[row], config)
        if edited.reason:
            yield row, edited


def _untidy(config: WhitespaceConfig) -> str:
    """What every text holds that the edit changes."""
    line_end_or_invisible = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    at_line_end, at_either_end = f"[{_BLANK}]\n", f"\\A\n|[{_BLANK}\n]\\z"
    empty_lines = f"\n{{{min(config.max_empty_lines + 2, _MOST_REPEATS)}}}"
    found = [line_end_or_invisible, at_line_end, at_either_end, empty_lines]
    found += ["[\t ]{2}"] if config.collapse_spaces else []
    return "|".join(found)


def edit(text: str, config: WhitespaceConfig) -> Edited:
    after = _INVISIBLE.sub("", _LINE_END.sub("\n", text))
    after = _AT_LINE_END.sub("", after).strip("\n")
    breaks = config.max_empty_lines + 1
    after = re.sub(rf"\n{{{breaks + 1},}}", "\n" * breaks, after)
    if config.collapse_spaces:
        after = _SPACES.sub(" ", after)
    return Edited.between(text, after, "white space and control characters tidied")
