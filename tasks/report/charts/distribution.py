"""A small histogram with the thresholds of rules drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log1p

from markupsafe import Markup

from tasks.report.charts.svg import Scale, element, line, picture, text
from tasks.report.wording import number

WIDTH, HEIGHT = 232, 112
LEFT, RIGHT, TOP, BOTTOM = 4, 4, 18, 20
ROW, LETTER = 13, 7  # height of a row of labels, width of a letter at most


@dataclass(frozen=True)
class Threshold:
    at: float
    upper: bool
    """Drops what lies above, not what lies below."""


def distribution(
    key: str,
    edges: Sequence[float],
    counts: Sequence[int],
    thresholds: Sequence[Threshold],
    *,
    logarithmic: bool,
    title: str,
    description: str,
) -> Markup:
    """Bins of equal width in the picture. A threshold beyond them stands at the border, with an arrow."""
    first, last = _placed(edges[0], logarithmic), _placed(edges[-1], logarithmic)
    along = Scale(first, last if last > first else first + 1, LEFT, WIDTH - RIGHT)
    labels = _labels(thresholds, [along(_placed(threshold.at, logarithmic)) for threshold in thresholds])
    top = TOP + ROW * max((label.row for label in labels), default=0)
    height = HEIGHT + top - TOP
    up = Scale(0, max(counts, default=0) or 1, height - BOTTOM, top)
    step = (WIDTH - LEFT - RIGHT) / len(counts)
    parts = [
        element(
            "rect", x=LEFT + at * step, y=up(held), width=max(step - 1, 0.5), height=up(0) - up(held), class_="keep"
        )
        for at, held in enumerate(counts)
        if held
    ]
    parts.append(line(LEFT, up(0), WIDTH - RIGHT, up(0), "frame"))
    parts.append(text(LEFT, height - 5, number(edges[0]), "tick"))
    parts.append(text(WIDTH - RIGHT, height - 5, number(edges[-1]), "tick", "end"))
    for label in labels:
        foot = top - 7 - ROW * label.row
        parts.append(line(label.x, foot + 3, label.x, up(0), "threshold"))
        parts.append(text(label.x, foot, label.said, "tick", label.anchor))
    return picture(key, WIDTH, height, title, description, parts)


@dataclass(frozen=True)
class _Label:
    x: float
    said: str
    row: int
    """0 is just above the bins; one that would meet another there stands higher."""

    @property
    def anchor(self) -> str:
        return "end" if self.x > WIDTH / 2 else "start"

    @property
    def span(self) -> tuple[float, float]:
        width = LETTER * len(self.said)
        return (self.x - width, self.x) if self.anchor == "end" else (self.x, self.x + width)


def _labels(thresholds: Sequence[Threshold], places: Sequence[float]) -> list[_Label]:
    """One for each different threshold, none upon another."""
    labels: dict[tuple[float, str], _Label] = {}
    for threshold, x in zip(thresholds, places, strict=True):
        beyond = "→" if x > WIDTH - RIGHT else "←" if x < LEFT else ""
        said = f"{'≤' if threshold.upper else '≥'} {number(threshold.at)} {beyond}".strip()
        label = _Label(min(max(x, LEFT), WIDTH - RIGHT), said, 0)
        while any(_meet(label, other) for other in labels.values()):
            label = replace(label, row=label.row + 1)
        labels.setdefault((label.x, said), label)
    return list(labels.values())


def _meet(one: _Label, other: _Label) -> bool:
    return one.row == other.row and one.span[0] < other.span[1] and other.span[0] < one.span[1]


def _placed(value: float, logarithmic: bool) -> float:
    return log1p(max(value, 0)) if logarithmic else value
