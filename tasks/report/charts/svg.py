"""The elements of which every chart is made. Colours come from the page's style sheet by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from tasks.runtime.visible import visible

DRAWN = {"wide": 760, "narrow": 300}
"""Widths of a picture on the page and on a small screen, which shows the one that fits."""
CHARACTER = 6.9  # width of one at the charts' font size, about


def element(name: str, *children: str, **attributes: object) -> Markup:
    """`class_` is the class; numbers are rounded to tenths, underscores become hyphens."""
    shown = Markup().join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup().join(visible(child) if type(child) is str else child for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), shown, inside)


def _plain(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor if anchor != "start" else None)


def picture(key: str, width: float, height: float, title: str, description: str, parts: Iterable[Markup]) -> Markup:
    """A drawing that says in words what it shows. `key` is unique on the page."""
    return element(
        "svg",
        element("title", title, id=f"{key}-t"),
        element("desc", description, id=f"{key}-d"),
        *parts,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{key}-t {key}-d",
        class_="chart",
    )


@dataclass(frozen=True)
class Scale:
    """From values to places."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.stop - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between `low` and `high`, 1, 2 or 5 times a power of ten apart."""
    span = (high - low) or 1.0
    power = 10.0 ** floor(log10(span / about))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= about + 1e-9)
    first = floor(low / step + 0.999999)
    return [round(at * step, 10) for at in range(first, first + 20) if at * step <= high + step * 1e-9]


def digits(marks: Sequence[float]) -> int:
    """How many decimals tell the marks apart."""
    return max((len(f"{mark:.6f}".rstrip("0").partition(".")[2]) for mark in marks), default=0)
