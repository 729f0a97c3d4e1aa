"""What differs between two nested mappings, by dotted name: settings, or figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = "(absent)"
NAMES = ("kind", "name", "step", "rung")
"""What tells the entries of a list apart, the first that all of them have, each another."""


@dataclass(frozen=True)
class Difference:
    key: str
    """Dotted, as in an override; an entry of a list by what it is called: `select.rules.word_count.minimum`."""
    a: Any
    b: Any


def differences(a: Any, b: Any, key: str = "") -> Iterator[Difference]:
    """Yield what is not equal in `a` and `b`, in their order; what only one of them has is `ABSENT` in the other."""
    a, b = _named(a), _named(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.get("kind") != b.get("kind"):  # other members of a union: their settings are not each other's
            yield Difference(f"{key}.kind".removeprefix("."), a.get("kind", ABSENT), b.get("kind", ABSENT))
            return
        for name in dict.fromkeys((*a, *b)):
            inner = f"{key}.{name[1:-1] if name.startswith('[') else name}".removeprefix(".")
            yield from differences(a.get(name, ABSENT), b.get(name, ABSENT), inner)
    elif a != b:
        yield Difference(key, _plain(a), _plain(b))


def numbers(differing: Iterator[Difference]) -> Iterator[Difference]:
    """Those of which both sides are numbers."""
    for one in differing:
        if all(isinstance(side, int | float) and not isinstance(side, bool) for side in (one.a, one.b)):
            yield one


def _named(value: Any) -> Any:
    """A list whose entries have names as a mapping `[name]`: entry; anything else as it is."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for name in NAMES:
            names = [item.get(name) for item in value]
            if all(isinstance(one, str) for one in names) and len(set(names)) == len(names):
                return {f"[{one}]": item for one, item in zip(names, value, strict=True)}
    return value


def _plain(value: Any) -> Any:
    """The value as it was, lists as lists."""
    if isinstance(value, Mapping) and value and all(str(name).startswith("[") for name in value):
        return list(value.values())
    return value
