"""JSON files, and a small language of paths into them.

Requirements[*]         every item of the list under `Requirements`
shapes[*].documentation the documentation of every value of the object `shapes`
..documentation         every value under a key `documentation`, at any depth, in the order of the file
Remediation.Text        one value
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from typing import IO, Any

from pipeline_config.ingest import Json
from tasks.ingest.readers.record import Record, Unreadable, decode, repeated, unreadable, whole

MOST_LEVELS = 200
"""Of nesting. The library's parser and writer descend by recursion; data written by people stay under a dozen."""
TOO_DEEP = f"nested too deep: JSON of more than {MOST_LEVELS} levels"
MOST_BYTES = 1 << 30
"""Of a file that is read as a whole, which takes several times its size in memory."""

_PLAIN = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_STEP = re.compile(r"(?P<deep>\.\.)(?P<deep_key>[^.\[\]]+)|(?P<all>\[\*\])|\.?(?P<key>[^.\[\]]+)")


class RepeatedKey(ValueError):
    """Which key an object has twice."""


def read(file: IO[bytes], options: Json, limit: int) -> Iterator[Record | Unreadable]:
    """Each record of one file; `limit` holds for a record. A record's bytes are its JSON, keys sorted."""
    raw = whole(file, MOST_BYTES)
    if isinstance(raw, Unreadable):
        reason = f"too long: JSON file of {raw.size} bytes, at most {MOST_BYTES} are read as a whole (write JSON Lines)"
        yield replace(raw, reason=reason)
        return
    text = decode(1, raw)
    if isinstance(text, Unreadable):
        yield text
        return
    if too_deep(raw):
        yield unreadable(1, raw, TOO_DEEP)
        return
    try:
        tree = parsed(text)
    except RepeatedKey as error:
        yield unreadable(1, raw, str(error))
        return
    except json.JSONDecodeError as error:
        yield unreadable(error.lineno, raw, f"not JSON: {error}")
        return
    except ValueError as error:
        yield unreadable(1, raw, f"not JSON: {error}")
        return
    if not options.records:
        found = iter(tree) if isinstance(tree, list) else iter([tree])
    else:
        found = values(tree, options.records)
    number = 0
    for number, value in enumerate(found, start=1):
        record = canonical(value)
        if len(record) > limit:
            yield unreadable(number, record, f"too long: record of {len(record)} bytes, max_record_bytes is {limit}")
        elif isinstance(value, dict | str):
            yield Record(line=number, raw=record, value=value)
        else:
            kind = type(value).__name__
            yield unreadable(number, record, f"a JSON {kind}; expected an object or a string")
    if number == 0:
        yield unreadable(1, raw, f"no record at {options.records or '[*]'!r}")


def parsed(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        RepeatedKey: an object has one key twice, of whose values one would be lost (RFC 8259, section 4).
        ValueError: it is no JSON.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKey(f"a key twice in one object: {repeated([key for key, _ in pairs])!r}")
    return found


def too_deep(raw: bytes) -> bool:
    """Whether JSON has more than `MOST_LEVELS` of lists and objects one within another."""
    if raw.count(b"[") + raw.count(b"{") <= MOST_LEVELS:
        return False
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = unescaped.translate(None, _PLAIN).split(b'"')[::2]  # every second part is within a string
    return max(accumulate(map(_LEVELS.__getitem__, b"".join(outside))), default=0) > MOST_LEVELS


def values(tree: Any, path: str) -> Iterator[Any]:
    """The values that `path` leads to.

    Raises:
        ValueError: no such path can be.
    """
    found: Iterator[Any] = iter([tree])
    for step in steps(path):
        found = _follow(found, step)
    return found


@lru_cache
def steps(path: str) -> list[tuple[str, str]]:
    """The path as (`key`, `deep` or `all`; name).

    Raises:
        ValueError: it cannot be read.
    """
    parsed, position = [], 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(
                f"path {path!r} cannot be read from {path[position:]!r} on; expected key, .key, ..key or [*]."
            )
        if match["deep"]:
            parsed.append(("deep", match["deep_key"]))
        elif match["all"]:
            parsed.append(("all", ""))
        else:
            parsed.append(("key", match["key"]))
        position = match.end()
    return parsed


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and without spaces; what JSON does not know is written as its text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogatepass")


def _follow(nodes: Iterator[Any], step: tuple[str, str]) -> Iterator[Any]:
    kind, name = step
    for node in nodes:
        if kind == "deep":
            yield from _descend(node, name)
        elif kind == "all":
            if isinstance(node, dict):
                yield from node.values()
            elif isinstance(node, list):
                yield from node
        elif isinstance(node, dict) and name in node:
            yield node[name]


def _descend(node: Any, name: str) -> Iterator[Any]:
    stack: list[tuple[bool, Any]] = [(False, node)]  # whether the value stands under the key, and the value
    while stack:
        wanted, value = stack.pop()
        if wanted:
            yield value
        if isinstance(value, dict):
            stack.extend((key == name, item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend((False, item) for item in reversed(value))
