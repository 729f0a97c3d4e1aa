"""What was made from what, from top to bottom: an artifact stands below all that it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.charts.svg import element, picture, text

BOX, COLUMN, ROW, EDGE = (134, 40), 146, 74, 8

Place = tuple[float, float]


@dataclass(frozen=True)
class Box:
    name: str
    note: str
    kind: str
    """`file`, `ran` or `reused`."""


def graph(
    key: str, boxes: Sequence[Box], edges: Mapping[str, Sequence[str]], *, title: str, description: str
) -> Markup:
    """`edges`: for each box the names that it was made from; boxes come in an order in which these stand before it."""
    rows = layers([box.name for box in boxes], edges)
    width = max(map(len, rows)) * COLUMN - (COLUMN - BOX[0]) + 2 * EDGE
    trunk = _trunk(rows, edges)  # stands in the first column, so that other lines pass beside it
    place: dict[str, Place] = {}
    for at, row in enumerate(rows):
        row = sorted(row, key=lambda name: (name not in trunk, _middle(name, edges, place)))
        place |= {name: (EDGE + number * COLUMN, EDGE + at * ROW) for number, name in enumerate(row)}
    parts = [_edge(place[source], place[name]) for name in place for source in edges.get(name, ()) if source in place]
    for box in boxes:
        x, y = place[box.name]
        round_ = 12 if box.kind == "file" else 3
        parts += [
            element("rect", x=x, y=y, width=BOX[0], height=BOX[1], rx=round_, class_=f"box {box.kind}"),
            text(x + BOX[0] / 2, y + 17, box.name, "strong", "middle"),
            text(x + BOX[0] / 2, y + 32, box.note, "tick", "middle"),
        ]
    return picture(key, width, len(rows) * ROW - (ROW - BOX[1]) + 2 * EDGE, title, description, parts)


def layers(names: Sequence[str], edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The rows from the top; each name stands as low as what is made from it allows."""
    depth: dict[str, int] = {}  # rows between a name and the last one
    for name in reversed(names):
        uses = [depth[other] + 1 for other in depth if name in edges.get(other, ())]
        depth[name] = max(uses, default=0)
    most = max(depth.values())
    return [[name for name in names if depth[name] == most - row] for row in range(most + 1)]


def _trunk(rows: Sequence[Sequence[str]], edges: Mapping[str, Sequence[str]]) -> set[str]:
    """A longest way from the first row to the last."""
    way = [rows[0][0]]
    for row in rows[1:]:
        way.append(next(name for name in row if way[-1] in edges.get(name, ())))
    return set(way)


def _middle(name: str, edges: Mapping[str, Sequence[str]], place: Mapping[str, Place]) -> float:
    """The mean place of what a box is made from, so that lines cross seldom; what is made from nothing stands left."""
    sources = [place[source][0] for source in edges.get(name, ()) if source in place]
    return sum(sources) / len(sources) if sources else 0.0


def _edge(source: Place, target: Place) -> Markup:
    x1, y1 = source[0] + BOX[0] / 2, source[1] + BOX[1]
    x2, y2 = target[0] + BOX[0] / 2, target[1]
    bend = (y2 - y1) / 2
    way = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    return element("path", d=way, class_="edge")
