"""A bar inside a table's cell: a picture of the number that stands beside it, so it is hidden from screen readers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tasks.report.charts.svg import element


def bar(shares: Sequence[tuple[float, str]]) -> Markup:
    """`shares` of the full width, one after another, each with its class (`keep`, `drop`, `usual`)."""
    parts, start = [], 0.0
    for share, kind in shares:
        width = max(0.0, min(100 * share, 100 - start))
        if width > 0:
            parts.append(element("rect", x=round(start, 2), y=1, width=f"{max(width, 0.4):.2f}", height=8, class_=kind))
        start += width
    return element(
        "svg",
        *parts,
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
        class_="bar",
    )
