"""Values with their intervals on one axis, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.charts.svg import CHARACTER, Scale, digits, element, line, picture, text, ticks

ROW, AXIS = 26, 40


@dataclass(frozen=True)
class Row:
    label: str
    value: float
    low: float
    high: float
    note: str
    """The figure in words, at the end of the row."""
    mark: str = "dot"
    """`dot`, `ring` (hollow), or `cross` (refused)."""
    strong: bool = False


def intervals(
    key: str,
    rows: Sequence[Row],
    *,
    width: int,
    low: float,
    high: float,
    zero: float | None,
    axis: str,
    title: str,
    description: str,
) -> Markup:
    """What reaches beyond `low` or `high` ends in an arrow. Labels stand above their rows where it is narrow."""
    narrow = width < 480
    label_width = 0.0 if narrow else max(len(row.label) for row in rows) * CHARACTER + 12
    note_width = 0.0 if narrow else max(len(row.note) for row in rows) * CHARACTER + 14
    step = ROW + 18 if narrow else ROW
    height = len(rows) * step + AXIS
    scale = Scale(low, high, label_width + 8, width - note_width - 10)
    bottom = height - AXIS + 4
    marks = ticks(low, high, 4 if narrow else 6)
    places = digits(marks)
    parts = [line(scale(mark), 2, scale(mark), bottom, "grid") for mark in marks]
    parts += [
        text(scale(mark), bottom + 15, f"{mark:.{places}f}".replace("-", "−"), "tick", "middle") for mark in marks
    ]
    if zero is not None:
        parts.append(line(scale(zero), 0, scale(zero), bottom, "threshold"))
    parts.append(text((scale(low) + scale(high)) / 2, height - 4, axis, "axis", "middle"))
    for at, row in enumerate(rows):
        middle = at * step + (step - 10 if narrow else ROW / 2)
        if narrow:
            parts.append(text(scale(low) - 4, middle - 13, row.label, "strong" if row.strong else "label"))
            parts.append(text(width - 6, middle - 13, row.note, "note", "end"))
        else:
            parts.append(text(label_width, middle + 4, row.label, "strong" if row.strong else "label", "end"))
            parts.append(text(width - note_width + 4, middle + 4, row.note, "note"))
        parts += _row(row, scale, middle)
    return picture(key, width, height, title, description, parts)


def _row(row: Row, scale: Scale, y: float) -> list[Markup]:
    kind = "refused" if row.mark == "cross" else "strong" if row.strong else "usual"
    first, last = (min(max(edge, scale.low), scale.high) for edge in (row.low, row.high))
    left, right, parts = scale(first), scale(last), []
    if row.value > scale.high or row.value < scale.low:  # all of it lies beyond: an arrow from the last tenth
        tenth = (scale.stop - scale.start) / 10
        left, right = (right - tenth, right) if row.value > scale.high else (left, left + tenth)
    if row.low < row.high or left < right:
        parts.append(line(left, y, right, y, f"interval {kind}"))
    for edge, place, side in ((row.low, left, -1), (row.high, right, 1)):
        if scale.low <= edge <= scale.high and row.low < row.high:
            parts.append(line(place, y - 4, place, y + 4, f"interval {kind}"))
        elif (edge - scale.high if side > 0 else scale.low - edge) > 0:
            points = f"{place + 6 * side:.1f},{y} {place - 3 * side:.1f},{y - 5} {place - 3 * side:.1f},{y + 5}"
            parts.append(element("polygon", points=points, class_=f"point {kind}"))
    if scale.low <= row.value <= scale.high:
        x = scale(row.value)
        if row.mark == "cross":
            parts.append(element("path", d=f"M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10", class_="cross"))
        else:
            parts.append(element("circle", cx=x, cy=y, r=5.0, class_=f"{row.mark} {kind}"))
    return parts
