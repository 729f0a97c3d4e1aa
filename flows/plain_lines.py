"""Figures and settings of a manifest as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDTH = 100


def as_yaml(value: Any) -> list[str]:
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, width=88, default_flow_style=None, allow_unicode=True)
    return [f"  {line}" for line in text.rstrip().splitlines()]


def as_lines(metrics: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in metrics.items():
        if isinstance(value, dict | list) and value:
            table = _table(value)
            lines += [f"  {name}:", *table] if table else as_yaml(_brief({name: value}))
        else:
            lines.append(f"  {name}: {_brief(value)}")
    return lines


def _table(rows: Any) -> list[str]:
    """A list of small mappings as aligned columns; nothing if it is none, or too wide for a screen."""
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        return []
    flat = [
        {f"{key} {inner}".strip(): item for key, value in row.items() for inner, item in _items(value)} for row in rows
    ]
    names = list(dict.fromkeys(name for row in flat for name in row))
    cells = [names, *([str(_brief(row.get(name, ""))) for name in names] for row in flat)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * len(widths) > WIDTH - 4:
        return []
    return [
        "    " + "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in cells
    ]


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else [("", value)]


def _brief(value: Any) -> Any:
    """Long lists shortened, floats rounded: the whole is in --json."""
    if isinstance(value, dict):
        items = list(value.items())
        shown = {key: _brief(item) for key, item in items[:40]}
        return shown if len(items) <= 40 else shown | {"…": f"{len(items) - 40} more"}
    if isinstance(value, list):
        return [_brief(item) for item in value[:12]] + ([f"… {len(value) - 12} more"] if len(value) > 12 else [])
    return round(value, 4) if isinstance(value, float) else value
