"""A small histogram with the thresholds of rules drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

from markupsafe import Markup

from tasks.report.charts.svg import Scale, element, line, picture, text
from tasks.report.wording import number

WIDTH, HEIGHT = 232, 112
LEFT, RIGHT, TOP, BOTTOM = 4, 4, 18, 20


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
    up = Scale(0, max(counts, default=0) or 1, HEIGHT - BOTTOM, TOP)
    first, last = _placed(edges[0], logarithmic), _placed(edges[-1], logarithmic)
    along = Scale(first, last if last > first else first + 1, LEFT, WIDTH - RIGHT)
    step = (WIDTH - LEFT - RIGHT) / len(counts)
    parts = [
        element(
            "rect", x=LEFT + at * step, y=up(held), width=max(step - 1, 0.5), height=up(0) - up(held), class_="keep"
        )
        for at, held in enumerate(counts)
        if held
    ]
    parts.append(line(LEFT, up(0), WIDTH - RIGHT, up(0), "frame"))
    parts.append(text(LEFT, HEIGHT - 5, number(edges[0]), "tick"))
    parts.append(text(WIDTH - RIGHT, HEIGHT - 5, number(edges[-1]), "tick", "end"))
    for threshold in thresholds:
        x = along(_placed(threshold.at, logarithmic))
        beyond = "→" if x > WIDTH - RIGHT else "←" if x < LEFT else ""
        x = min(max(x, LEFT), WIDTH - RIGHT)
        said = f"{'≤' if threshold.upper else '≥'} {number(threshold.at)} {beyond}".strip()
        parts.append(line(x, TOP - 4, x, up(0), "threshold"))
        parts.append(text(x, TOP - 7, said, "tick", "end" if x > WIDTH / 2 else "start"))
    return picture(key, WIDTH, HEIGHT, title, description, parts)


def _placed(value: float, logarithmic: bool) -> float:
    return log1p(max(value, 0)) if logarithmic else value
