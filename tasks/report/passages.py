"""The passage of a text that a rule looked at, as (start, end) in characters; none where it looks at the whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

Span = tuple[int, int]

READ = 20_000
"""Characters in which a passage is looked for."""
MOST_SPANS = 40

_PATTERNS = {
    "symbols": r"#|…|\.\.\.",
    "curly_braces": r"[{}]",
    "lorem_ipsum": r"(?i)lorem ipsum",
    "special_characters": r"[^\w\s]+",
    "alphabetic_words": r"(?<!\S)[^\sa-zA-Z\u00c0-\U0010ffff]+(?!\S)",
    "bullet_lines": r"(?m)^[^\S\n]*[-*•‣▪◦·].*$",
    "ellipsis_lines": r"(?m)^.*(?:…|\.\.\.)\s*$",
    "code_lines": r"(?m)^.*[;{}][^\S\n]*$",
    "short_lines": r"(?m)^.{1,30}$",
}
_UNITS = {"duplicate_lines": r"[^\n]+", "duplicate_paragraphs": r"(?:[^\n]+\n?)+"}
_WORD = re.compile(r"\S+")


def passages(rule: str, text: str) -> list[Span]:
    text = text[:READ]
    if rule in _PATTERNS:
        found: Iterator[Span] = (match.span() for match in re.finditer(_PATTERNS[rule], text))
    elif rule in _UNITS:
        found = _repeated([match.span() for match in re.finditer(_UNITS[rule], text)], text)
    elif rule in ("longest_word", "mean_word_length"):
        words = sorted((match.span() for match in _WORD.finditer(text)), key=lambda span: span[0] - span[1])
        found = iter(sorted(words[: 1 if rule == "longest_word" else 5]))
    elif rule in ("top_ngrams", "duplicate_ngrams"):
        found = _repeated_ngrams(text, 3 if rule == "top_ngrams" else 5)
    else:
        found = iter(())
    return [span for span, _ in zip(found, range(MOST_SPANS), strict=False)]


def shared(text: str, other: str, words: int) -> list[Span]:
    """Where `text` holds runs of at least `words` words of `other`; case and punctuation do not count."""
    own = [match.span() for match in re.finditer(r"\w+", text[:READ])]
    theirs = re.findall(r"\w+", other[:READ].lower())
    size = min(words, len(theirs)) or 1
    known = {tuple(theirs[at : at + size]) for at in range(len(theirs) - size + 1)}
    spoken = [text[low:high].lower() for low, high in own]
    hits = [
        (own[at][0], own[at + size - 1][1])
        for at in range(len(own) - size + 1)
        if tuple(spoken[at : at + size]) in known
    ]
    return _joined(hits)


def _repeated(spans: list[Span], text: str) -> Iterator[Span]:
    """All but the first of equal stretches."""
    seen: set[str] = set()
    for low, high in spans:
        words = text[low:high].strip()
        if words in seen:
            yield low, high
        elif words:
            seen.add(words)


def _repeated_ngrams(text: str, size: int) -> Iterator[Span]:
    spans = [match.span() for match in _WORD.finditer(text)]
    grams = [text[spans[at][0] : spans[at + size - 1][1]].lower() for at in range(len(spans) - size + 1)]
    counts = Counter(grams)
    return iter(_joined([(spans[at][0], spans[at + size - 1][1]) for at, gram in enumerate(grams) if counts[gram] > 1]))


def _joined(spans: list[Span]) -> list[Span]:
    """Overlapping spans as one."""
    joined: list[Span] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
