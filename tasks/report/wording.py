"""Numbers and texts as they stand on the page. Numbers are set with thin spaces; texts of users are made harmless."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from tasks.runtime import units
from tasks.runtime.visible import visible

THIN = "\u202f"
EXCERPT, NAME = 600, 400
"""Characters that are shown of a text, and of what is no text."""


def user(text: object) -> Markup:
    """A user's text, escaped, its direction kept to itself; the beginning of one that is too long for a name."""
    whole = str(text)
    shown = whole if len(whole) <= NAME else whole[:NAME] + "…"
    return Markup('<bdi class="user">{}</bdi>').format(visible(shown))


def marked(text: str, spans: list[tuple[int, int]], *, tag: str = "mark", limit: int = EXCERPT) -> Markup:
    """About `limit` characters of a user's text around the first span, the spans marked; "…" where it is cut."""
    start = max(0, min(spans[0][0] - limit // 3, len(text) - limit)) if spans else 0
    stop = min(len(text), start + limit)
    if stop < len(text):  # not in the middle of a word, if that is not too long
        stop = max(text.rfind(" ", stop - 20, stop), stop - 20) if " " in text[stop - 20 : stop] else stop
    edges = [start]
    for low, high in sorted(spans):
        low, high = max(low, edges[-1]), min(high, stop)
        if low < high:
            edges += [low, high]
    edges.append(stop)
    parts = [escape(visible(text[low:high])) for low, high in pairwise(edges)]
    opened, closed = Markup(f"<{tag}>"), Markup(f"</{tag}>")
    body = Markup().join(opened + part + closed if at % 2 else part for at, part in enumerate(parts))
    head, tail = "… " if start else "", " …" if stop < len(text) else ""
    return Markup('<bdi class="user" dir="auto">{}{}{}</bdi>').format(head, body, tail)


def count(number: float) -> str:
    return _thin(units.count(number)).replace("-", "−")


def size(number: float) -> str:
    return _thin(units.size(number))


def duration(seconds: float) -> str:
    """As `units.duration`: only the space between minutes and seconds may be broken."""
    return _thin(units.duration(seconds)).replace(f"min{THIN}", "min ").replace(f"h{THIN}", "h ")


def _thin(text: str) -> str:
    return text.replace(" ", THIN)


def milliseconds(value: float) -> str:
    return f"{value:.1f}{THIN}ms" if value < 1000 else f"{value / 1000:.1f}{THIN}s"


def percent(share: float, digits: int = 1) -> str:
    """Of what is neither all nor nothing never "100 %" or "0 %"."""
    least = 10.0 ** -(digits + 2)
    if 0 < share < least / 2:
        return f"<\u00a0{100 * least:.{digits}f}{THIN}%"
    if 1 - least / 2 < share < 1:
        return f">\u00a0{100 - 100 * least:.{digits}f}{THIN}%"
    return f"{100 * share:.{digits}f}{THIN}%"


def number(value: float) -> str:
    """At most four significant digits; large ones as counts are written, not as powers of ten."""
    return count(value) if abs(value) >= 10_000 else f"{value:.4g}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    return units.signed(value, digits)


def bounds(interval: Mapping[str, float], digits: int = 2) -> str:
    return f"{interval['low']:.{digits}f} to {interval['high']:.{digits}f}"


def signed_bounds(interval: Mapping[str, float], digits: int = 3) -> str:
    return f"{signed(interval['low'], digits)} to {signed(interval['high'], digits)}"


def moment(stamp: str) -> Markup:
    """A recorded time in ISO form, UTC; as it stands where it is no time."""
    shown = moment_text(stamp)
    return user(stamp) if shown == stamp else Markup('<time datetime="{}">{}</time>').format(stamp, shown)


def moment_text(stamp: str) -> str:
    try:
        known = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return known.strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if "+00:00" in stamp else "")


def listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plural(number: int, one: str, many: str = "") -> str:
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


FILTERS: dict[str, Any] = {
    "user": user,
    "count": count,
    "size": size,
    "duration": duration,
    "milliseconds": milliseconds,
    "percent": percent,
    "number": number,
    "signed": signed,
    "bounds": bounds,
    "signed_bounds": signed_bounds,
    "moment": moment,
    "listed": listed,
    "plural": plural,
}
