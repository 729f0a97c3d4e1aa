"""Models by speed (across, logarithmic) and quality (up, with intervals); the area of a disc is the model's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, sqrt

from markupsafe import Markup

from tasks.report.charts.svg import CHARACTER, Scale, digits, element, line, picture, text, ticks

LEFT, BOTTOM, TOP, LINE = 46, 44, 14, 15


@dataclass(frozen=True)
class Point:
    label: str
    milliseconds: float
    score: float
    low: float
    high: float
    size: float
    strong: bool = False


def scatter(
    key: str, points: Sequence[Point], *, width: int, height: int, axes: tuple[str, str], title: str, description: str
) -> Markup:
    """`axes`: what is shown across and up."""
    times = [log10(point.milliseconds) for point in points]
    across = Scale(min(times) - 0.25, max(times) + 0.25, LEFT, width - 14)
    low, high = min(point.low for point in points), max(point.high for point in points)
    up = Scale(low - 0.01, high + 0.01, height - BOTTOM, TOP + 3 * LINE)
    largest = max(point.size for point in points) or 1.0
    marks = ticks(up.low, up.high, 5)
    places = digits(marks)
    parts = []
    for mark in marks:
        parts += [line(LEFT, up(mark), width - 14, up(mark), "grid")]
        parts += [text(LEFT - 6, up(mark) + 4, f"{mark:.{places}f}", "tick", "end")]
    for mark in (factor * 10.0**power for power in range(-2, 6) for factor in (1, 2, 5)):
        if across.low <= log10(mark) <= across.high:
            place = across(log10(mark))
            parts += [line(place, height - BOTTOM, place, height - BOTTOM + 4, "frame")]
            parts += [text(place, height - BOTTOM + 17, f"{mark:g}", "tick", "middle")]
    parts.append(line(LEFT, height - BOTTOM, width - 14, height - BOTTOM, "frame"))
    parts.append(text((LEFT + width) / 2, height - 5, axes[0], "axis", "middle"))
    parts.append(text(4, TOP - 2, axes[1], "axis"))
    for point, time in zip(points, times, strict=True):
        x, y, kind = across(time), up(point.score), "strong" if point.strong else "usual"
        parts.append(line(x, up(point.low), x, up(point.high), f"interval {kind}"))
        parts.append(element("circle", cx=x, cy=y, r=22 * sqrt(point.size / largest), class_=f"disc {kind}"))
        parts.append(element("circle", cx=x, cy=y, r=3.0, class_=f"dot {kind}"))
    parts += _labels(
        points, [(across(time), up(point.high) - 5) for time, point in zip(times, points, strict=True)], width
    )
    return picture(key, width, height, title, description, parts)


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]], width: float) -> list[Markup]:
    """Above the points; one that would lie upon another is moved up."""
    parts: list[Markup] = []
    taken: list[tuple[float, float, float]] = []
    for point, (x, y) in sorted(zip(points, places, strict=True), key=lambda pair: -pair[1][1]):
        half = len(point.label) * CHARACTER / 2
        x = min(max(x, half + 4), width - half - 4)
        while any(abs(y - other) < LINE and left < x + half and x - half < right for left, right, other in taken):
            y -= 2
        taken.append((x - half, x + half, y))
        parts.append(text(x, y, point.label, "strong" if point.strong else "usual", "middle"))
    return parts
