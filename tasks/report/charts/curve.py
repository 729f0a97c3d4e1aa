"""One quantity over the steps of a training: every point faint, their running mean strong."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tasks.report.charts.svg import Scale, digits, element, line, picture, text, ticks
from tasks.report.wording import count

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 320, 176, 46, 38, 18
MOST_POINTS = 300

Points = Sequence[tuple[float, float]]


def curve(
    key: str,
    points: Points,
    *,
    axis: str,
    title: str,
    description: str,
    level: float | None = None,
    best: float | None = None,
) -> Markup:
    """`level`: a value that the curve is seen against, drawn dashed. `best`: the step to point out."""
    thin = thinned(points)
    values = [value for _, value in thin] + ([] if level is None else [level])
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    across = Scale(min(0.0, thin[0][0]), thin[-1][0], LEFT, WIDTH - 12)
    up = Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)
    marks = ticks(low - room, high + room, 4)
    places = digits(marks)
    parts = []
    for mark in marks:
        parts += [line(LEFT, up(mark), WIDTH - 12, up(mark), "grid")]
        parts += [text(LEFT - 6, up(mark) + 4, f"{mark:.{places}f}".replace("-", "−"), "tick", "end")]
    for mark in ticks(across.low, across.high, 4):
        parts.append(text(across(mark), HEIGHT - BOTTOM + 15, count(mark), "tick", "middle"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 5, axis, "axis", "middle"))
    if level is not None:
        parts.append(line(LEFT, up(level), WIDTH - 12, up(level), "threshold"))
    few = len(thin) <= 12
    parts.append(_line(thin, across, up, "mean" if few else "raw"))
    if not few:
        parts.append(_line(running_mean(thin, max(3, len(thin) // 12)), across, up, "mean"))
    for step, value in thin if few else ():
        chosen = step == best
        parts.append(
            element(
                "circle",
                cx=across(step),
                cy=up(value),
                r=6.0 if chosen else 4.0,
                class_="dot strong" if chosen else "ring usual",
            )
        )
        if chosen:
            parts.append(text(min(across(step), WIDTH - 28), up(value) - 11, "chosen", "strong", "middle"))
    return picture(key, WIDTH, HEIGHT, title, description, parts)


def thinned(points: Points) -> list[tuple[float, float]]:
    """At most `MOST_POINTS`, each the mean of its neighbours."""
    every = -(-len(points) // MOST_POINTS)
    groups = [points[at : at + every] for at in range(0, len(points), every)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def running_mean(points: Points, window: int) -> list[tuple[float, float]]:
    """Each point with its neighbours, half a window on each side."""
    half = window // 2
    around = [points[max(0, at - half) : at + half + 1] for at in range(len(points))]
    return [(points[at][0], sum(value for _, value in near) / len(near)) for at, near in enumerate(around)]


def _line(points: Points, across: Scale, up: Scale, kind: str) -> Markup:
    places = " ".join(f"{across(step):.1f},{up(value):.1f}" for step, value in points)
    return element("polyline", points=places, class_=kind)
