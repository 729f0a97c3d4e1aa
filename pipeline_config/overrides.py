"""Dotted `key=value` overrides from the command line or a form."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline_config.base import ConfigError, Place
from pipeline_config.pipeline import PipelineConfig


def apply_override(values: dict[str, Any], origins: dict[Place, str], override: str) -> None:
    """Set `a.b.0.c=value` in `values`; the value is read as YAML.

    An entry of a list is named by its position or, if no other has it, by its kind or name: `select.rules.word_count`.
    A list that is not written out is taken from the defaults first, and so is the kind of a section.
    """
    key, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"{override!r} (command line): expected key=value, for example finetune.learning_rate=3e-5.")
    try:
        value = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        value = text
    except UnicodeEncodeError:
        raise ConfigError(f"{override!r} (command line): the value is not valid UTF-8.") from None
    here: Any = values
    place: Place = ()
    parts = key.split(".")
    for number, part in enumerate(parts, 1):
        match None if isinstance(here, list) else _by_default(values, place):
            case list() as listed:
                _put(values, place, listed)
                here = listed
            case {"kind": kind} if part != "kind":
                here["kind"] = kind
        at: str | int = _position(here, part, parts[: number - 1], key) if isinstance(here, list) else part
        place = (*place, at)
        if number == len(parts):
            here[at] = value
            break
        nested = here[int(at)] if isinstance(here, list) else here.get(at)
        if not isinstance(nested, dict | list):
            nested = {}
            here[at] = nested
        here = nested
    for replaced in [other for other in origins if other[: len(place)] == place]:
        del origins[replaced]
    origins[place] = "command line"


def _position(entries: list[Any], part: str, parents: Sequence[str], key: str) -> int:
    """Where the entry lies that a person calls by its position, its name or, if it has none, its kind."""
    if part.isdigit() and int(part) < len(entries):
        return int(part)
    names = [entry.get("name") or entry.get("kind") if isinstance(entry, dict) else None for entry in entries]
    if names.count(part) == 1:
        return names.index(part)
    whole = ".".join(parents)
    called = f" ({', '.join(map(str, dict.fromkeys(filter(None, names))))})" if any(names) else ""
    why = f"{part!r} stands {names.count(part)} times" if names.count(part) > 1 else f"{part!r} is no place"
    raise ConfigError(
        f"{key!r} (command line): {why} in the list of {len(entries)}{called}; its places are counted from 0. "
        f"To change how many there are, give the whole list: {whole}='[…]'"
    )


def _by_default(values: dict[str, Any], place: Place) -> Any:
    """What stands at a place where nothing is written, as JSON types; None if it cannot be told."""
    if not place or _at(values, place) not in (None, {}):
        return None
    written = copy.deepcopy(values)
    *parents, last = place
    parent = _at(written, tuple(parents))
    if isinstance(parent, dict):
        parent.pop(last, None)  # the empty mapping that was only just made on the way
    try:
        return _at(PipelineConfig.model_validate(written).model_dump(mode="json"), place)
    except ValidationError:
        return None


def _at(values: Any, place: Place) -> Any:
    for part in place:
        if isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        elif isinstance(values, dict):
            values = values.get(part)
        else:
            return None
    return values


def _put(values: Any, place: Place, value: Any) -> None:
    *parents, last = place
    _at(values, tuple(parents))[last] = value
