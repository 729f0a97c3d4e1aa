"""Finding stretches of a text by pattern and check, and writing placeholders for them.

A pattern's shape is a regular expression that Python's `re` and RE2 read alike. One pass of RE2 over a batch of texts
(Arrow's `match_substring_regex`, some hundred MB/s) tells which texts Python has to look at, and a few over those tell
what for.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.corpus.document import text_array

Span = tuple[int, int]
"""Start and end in characters."""

ALONE = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"
"""Borders of what is no part of a longer word or number."""
NUMBER = r"(?<![0-9A-Za-z_])(?<![0-9][.\-])", r"(?![0-9A-Za-z_]|[.\-][0-9])"
"""Nor of a number with points and hyphens. A comma parts the columns of a table: no shape with these borders can stand
in a number with a comma after every three digits."""


_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2212"
"""Unicode Standard, tables 6-2 and 6-3: hyphens, figure dash, en dash, and the minus sign."""


@dataclass(frozen=True)
class Pattern:
    kind: str
    shape: str
    """Every match of Python's holds it; without look-around and back-references, which RE2 has not."""
    check: Callable[[re.Match[str]], Span | None]
    """The stretch that a match stands for, or None where it is no hit after all."""
    borders: tuple[str, str] = ALONE
    """Python look-around before and after the shape."""
    needs: tuple[str, ...] = ()
    """One of these is in every text with a hit, lower case; empty where that is not known."""
    group: str = ""
    """Patterns of one group are looked for together."""
    hint: str = ""
    """What RE2 looks for instead of the shape: something simpler that every match holds. Gaps of {0,30} and the like
    would make its states so many that it falls back to a search ten times slower."""
    mark: str = ""
    """What RE2 looks for before that, and for each pattern alone: something that every match holds and that begins with
    one fixed character. RE2 leaps from one of these to the next, ten times as fast as it walks over every byte."""

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        before, after = self.borders
        return re.compile(f"{before}(?:{self.shape}){after}", re.ASCII)


@dataclass(frozen=True)
class Redacted:
    """A text with placeholders; `cut` and `inserted` are UTF-8 bytes."""

    text: str
    cut: int = 0
    inserted: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """Replaced stretches by kind, in order of kind."""


def wanted(texts: pa.Array, patterns: Sequence[Pattern]) -> NDArray[np.bool_]:
    """Which patterns may have a hit in which of the texts, `typed` (N, P); no other pair has one."""
    mask = np.zeros((len(texts), len(patterns)), bool)
    unmarked = [pattern for pattern in patterns if not pattern.mark]
    held = _holding(texts, [pattern.hint or pattern.shape for pattern in unmarked])
    groups = [[pattern] for pattern in patterns if pattern.mark]
    groups += [[one for one in unmarked if one.group == group] for group in dict.fromkeys(p.group for p in unmarked)]
    for group in groups:
        rows = _holding(texts, [group[0].mark]) if group[0].mark else held
        found = rows[_holding(texts.take(pa.array(rows)), [pattern.hint or pattern.shape for pattern in group])]
        mask[np.ix_(found, np.array([patterns.index(pattern) for pattern in group]))] = True
    return mask


def _holding(texts: pa.Array, shapes: Sequence[str]) -> NDArray[np.int64]:
    """The places of the texts that hold one of the shapes."""
    if not shapes or not len(texts):
        return np.zeros(0, np.int64)
    union = "|".join(f"(?:{shape})" for shape in shapes)
    return np.flatnonzero(pc.match_substring_regex(texts, union).to_numpy(zero_copy_only=False))


def typed(text: str) -> str:
    """The text with the space and the hyphen of the keyboard for all others, character for character."""
    if text.isascii():
        return text
    for character in _SPACES:
        text = text.replace(character, " ")
    for character in _HYPHENS:
        text = text.replace(character, "-")
    return text


def redact_batch(texts: Sequence[str], patterns: Sequence[Pattern], placeholder: str) -> Iterator[tuple[int, Redacted]]:
    """The texts in which something was found, by their place: what `redact` gives for each."""
    done: dict[int, Redacted] = {}
    rows = list(range(len(texts)))
    while rows:
        mask = wanted(text_array([typed(done[row].text if row in done else texts[row]) for row in rows]), patterns)
        changed = []
        for at in np.flatnonzero(mask.any(axis=1)).tolist():
            before = done.get(rows[at]) or Redacted(texts[rows[at]])
            chosen = [pattern for pattern, hinted in zip(patterns, mask[at], strict=True) if hinted]
            if (after := _replaced(before, chosen, placeholder)) is not before:
                done[rows[at]] = after
                changed.append(rows[at])
        rows = changed
    yield from sorted(done.items())


def redact(text: str, patterns: Sequence[Pattern], placeholder: str) -> Redacted:
    """The text with each hit replaced by `placeholder`, in which `{kind}` becomes the kind in capitals.

    Goes on until nothing is found: of a row of numbers behind one word each becomes the next behind a placeholder. It
    ends, since every hit holds a digit or an @, or is longer than a placeholder without them may be.
    """
    done = Redacted(text)
    while (after := _replaced(done, patterns, placeholder)) is not done:
        done = after
    return done


def _replaced(before: Redacted, patterns: Sequence[Pattern], placeholder: str) -> Redacted:
    """With what is found in the text replaced once; the same object if nothing is."""
    text, cut, inserted, counts = before.text, before.cut, before.inserted, Counter(before.counts)
    parts, last = [], 0
    for start, end, kind in find(text, patterns):
        mark = placeholder.replace("{kind}", kind.upper())
        parts += [text[last:start], mark]
        last = end
        counts[kind] += 1
        cut += len(text[start:end].encode())
        inserted += len(mark.encode())
    if not parts:
        return before
    return Redacted("".join([*parts, text[last:]]), cut, inserted, dict(sorted(counts.items())))


def find(text: str, patterns: Sequence[Pattern]) -> list[tuple[int, int, str]]:
    """Hits as (start, end, kind) in order of place; where two overlap, that of the earlier pattern counts.

    Numbers are typeset with many spaces and hyphens: the patterns see the text `typed`.
    """
    text = typed(text)
    lower = text.lower() if any(pattern.needs for pattern in patterns) else ""
    hits: list[tuple[int, int, str]] = []
    for pattern in patterns:
        if pattern.needs and not any(needed in lower for needed in pattern.needs):
            continue
        for start, end in _spans(text, pattern):
            if _free(hits, start, end):
                insort(hits, (start, end, pattern.kind))
    return hits


def _spans(text: str, pattern: Pattern) -> Iterator[Span]:
    at = 0
    while match := pattern.compiled.search(text, at):
        span = pattern.check(match)
        if span:
            yield span
        # After a refusal the next match may begin within this one.
        at = max(span[1], match.start() + 1) if span else match.start() + 1


def _free(hits: Sequence[tuple[int, int, str]], start: int, end: int) -> bool:
    at = bisect_left(hits, (start,))
    return (at == 0 or hits[at - 1][1] <= start) and (at == len(hits) or hits[at][0] >= end)
