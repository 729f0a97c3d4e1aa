"""Counts in classes of equal width on a logarithmic axis, two parts one upon the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.charts.svg import Scale, element, line, picture, text, ticks
from tasks.report.wording import count

LEFT, BOTTOM, TOP = 52, 44, 10


@dataclass(frozen=True)
class Column:
    label: str
    """Its lower edge."""
    kept: int
    dropped: int


def histogram(
    key: str, columns: Sequence[Column], *, width: int, height: int, axis: str, title: str, description: str
) -> Markup:
    most = max(column.kept + column.dropped for column in columns) or 1
    up = Scale(0, most, height - BOTTOM, TOP)
    step = (width - LEFT - 8) / len(columns)
    marks = ticks(0, most, 4)
    parts = [hatching(key)]
    for mark in marks:
        parts += [line(LEFT, up(mark), width - 8, up(mark), "grid")]
        parts += [text(LEFT - 6, up(mark) + 4, count(mark), "tick", "end")]
    every = max(1, round(len(columns) * 34 / (width - LEFT)))
    for at, column in enumerate(columns):
        x, middle = LEFT + at * step, up(column.kept)
        parts.append(_rect(x + 1, middle, step - 2, up(0) - middle, "keep", None))
        upper = up(column.kept + column.dropped)
        parts.append(_rect(x + 1, upper, step - 2, middle - upper, "hatched", f"url(#{key}-h)"))
        if at % every == 0:
            parts.append(text(x + 1, up(0) + 15, column.label, "tick"))
    parts.append(line(LEFT, up(0), width - 8, up(0), "frame"))
    parts.append(text((LEFT + width) / 2, height - 6, axis, "axis", "middle"))
    return picture(key, width, height, title, description, parts)


def hatching(key: str) -> Markup:
    stroke = line(0, 0, 0, 6, "hatch")
    pattern = element(
        "pattern",
        stroke,
        id=f"{key}-h",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return element("defs", pattern)


def _rect(x: float, y: float, width: float, height: float, kind: str, fill: str | None) -> Markup:
    if height <= 0:
        return Markup()
    return element("rect", x=x, y=y, width=width, height=height, class_=kind, fill=fill)
