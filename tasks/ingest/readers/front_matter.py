"""YAML front matter (`---` lines around it) over a text: one file is one document, its keys are columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import yaml

from pipeline_config.ingest import PlainText
from tasks.ingest.readers import plain
from tasks.ingest.readers.record import Record, Unreadable, repeated, unreadable

_OPENED = re.compile(r"---[ \t]*\r?\n")
_CLOSED = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)


class _Loader(yaml.CBaseLoader):
    """Makes texts, lists and mappings alone; of a key that stands twice one value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            twice = repeated([str(key.value) for key, _ in node.value])
            raise yaml.constructor.ConstructorError(problem=f"a key stands twice: {twice!r}")
        return found


_PLAIN = PlainText(kind="text")


def read(file: IO[bytes], limit: int) -> Iterator[Record | Unreadable]:
    """The columns of one file: `text` is what follows the front matter, all of it where there is none.

    Values stay the texts that they are written as (`no`, `1.10` and `2020-01-01` are no other types). A record's bytes
    are those of the file.
    """
    for item in plain.read(file, _PLAIN, limit):
        if isinstance(item, Unreadable) or not isinstance(item.value, str):
            yield item
            continue
        columns = _columns(item.value)
        if isinstance(columns, str):
            yield unreadable(item.line, item.raw, columns)
        else:
            yield Record(line=item.line, raw=item.raw, value=columns)


def _columns(text: str) -> dict[str, object] | str:
    """The columns, or why there are none."""
    opened = _OPENED.match(text)
    if opened is None:
        return {"text": text}
    closed = _CLOSED.search(text, opened.end())
    if closed is None:
        return "the front matter is opened and never closed"
    header = text[opened.end() : closed.start()]
    try:
        # An alias makes much of little ("billion laughs"), and front matter has no need of it.
        if "*" in header and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(header, yaml.CBaseLoader)):
            return "the front matter has a YAML alias"
        columns = yaml.load(header, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        return f"the front matter is not YAML: {getattr(error, 'problem', None) or type(error).__name__}"
    if columns is None or columns == "":
        columns = {}
    if not isinstance(columns, dict) or not all(isinstance(name, str) for name in columns):
        return "the front matter is no mapping of names"
    if "text" in columns:
        return "the front matter has a key text, which is the column of what follows it"
    return {**columns, "text": text[closed.end() :].lstrip("\r\n")}
