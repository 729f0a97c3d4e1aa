"""Control and invisible characters, line ends, white space at line ends, empty lines.

The joiners U+200C and U+200D stay: words of several scripts, and emoji, are spelled with them.
"""

from __future__ import annotations

import re

from pipeline_config.clean import WhitespaceConfig
from tasks.curation.edits.edited import Edited

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
# Tried once a run of spaces and never given back, or the effort would grow with the square of the run.
_AT_LINE_END = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n|\Z)")
_SPACES = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")


def edit(text: str, config: WhitespaceConfig) -> Edited:
    after = _INVISIBLE.sub("", _LINE_END.sub("\n", text))
    after = _AT_LINE_END.sub("", after).strip("\n")
    breaks = config.max_empty_lines + 1
    after = re.sub(rf"\n{{{breaks + 1},}}", "\n" * breaks, after)
    if config.collapse_spaces:
        after = _SPACES.sub(" ", after)
    return Edited.between(text, after, "white space and control characters tidied")
