"""Words and phrases of a list as a pattern; case and normal form do not count."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

UNSPACED = ("ja", "ko", "th", "zh")
"""Languages in which a word of a list may stand within what white space delimits."""
BEFORE, AFTER = r"(?<!\w)", r"(?!\w)"


def normal(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def pattern(words: Iterable[str], language: str, exclude: Collection[str] = ()) -> str:
    """Finds any of the words in a text in normal form; the longest first. Empty where there is none."""
    excluded = {normal(word) for word in exclude}
    left = sorted({normal(word) for word in words} - excluded, key=lambda word: (-len(word), word))
    union = "|".join(_quoted(word) for word in left)
    if not union:
        return ""
    return f"(?:{union})" if language in UNSPACED else f"{BEFORE}(?:{union}){AFTER}"


def _quoted(word: str) -> str:
    """As Python's `re` and RE2 read it; parts of a phrase may stand on two lines."""
    return r"[ \t\n]+".join(re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", part) for part in word.split())
