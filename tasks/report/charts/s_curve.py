"""What share of pairs a search finds, by how much alike they are."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tasks.report.charts.svg import Scale, element, line, picture, text

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 320, 176, 46, 38, 18


def s_curve(
    key: str, points: Sequence[tuple[float, float]], threshold: float, *, axis: str, title: str, description: str
) -> Markup:
    """`points` (value, share found), both from 0 to 1; the `threshold` is drawn dashed."""
    across = Scale(0, 1, LEFT, WIDTH - 12)
    up = Scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [line(LEFT, up(share), WIDTH - 12, up(share), "grid")]
        parts += [text(LEFT - 6, up(share) + 4, f"{share:.0%}", "tick", "end")]
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(text(across(value), HEIGHT - BOTTOM + 15, f"{value:.1f}", "tick", "middle"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 5, axis, "axis", "middle"))
    parts.append(line(across(threshold), up(0), across(threshold), up(1), "threshold"))
    places = " ".join(f"{across(value):.1f},{up(share):.1f}" for value, share in points)
    parts.append(element("polyline", points=places, class_="mean"))
    return picture(key, WIDTH, HEIGHT, title, description, parts)
