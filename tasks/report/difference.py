"""Two texts side by side, what only one of them has marked."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from markupsafe import Markup

from tasks.report.passages import Span
from tasks.report.wording import marked

MOST_WORDS = 220
EXCERPT = 900

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")


def side_by_side(left: str, right: str) -> tuple[Markup, Markup]:
    """The beginnings of both, from a little before the first difference; `del` and `ins` around what differs."""
    start = _common(left, right)
    head = max(0, start - 120)
    left, right = left[head : head + EXCERPT * 4], right[head : head + EXCERPT * 4]
    one, two = _pieces(left), _pieces(right)
    cut, put = [], []
    matcher = SequenceMatcher(None, [left[a:b] for a, b in one], [right[a:b] for a, b in two], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            cut += _span(one, a, b)
            put += _span(two, c, d)
    ahead = "… " if head else ""
    return (
        Markup("{}{}").format(ahead, marked(left[: _end(one)], cut, tag="del", limit=EXCERPT)),
        Markup("{}{}").format(ahead, marked(right[: _end(two)], put, tag="ins", limit=EXCERPT)),
    )


def _pieces(text: str) -> list[Span]:
    found: list[Span] = []
    for match in _PIECE.finditer(text):
        if len(found) == 2 * MOST_WORDS:
            break
        found.append(match.span())
    return found


def _span(pieces: list[Span], first: int, last: int) -> list[Span]:
    return [(pieces[first][0], pieces[last - 1][1])] if first < last else []


def _end(pieces: list[Span]) -> int:
    return pieces[-1][1] if pieces else 0


def _common(left: str, right: str) -> int:
    """Length of the common beginning."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
