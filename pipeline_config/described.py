"""Every setting in words, from the classes: where it stands, its type and bounds, its default, what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_config.load import sections_in
from pipeline_config.pipeline import PipelineConfig

REQUIRED = "required"
_SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", NoneType: "null"}


@dataclass(frozen=True)
class Setting:
    name: str
    """Empty where `meaning` is about a kind as a whole."""
    kind: str
    """The kind of section that has it; empty where there is but one, or all have it."""
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """The settings that stand at one place of a config file; none where they were told of another place."""

    place: str
    about: str
    settings: tuple[Setting, ...] = ()


def described(sections: tuple[str, ...] = tuple(PipelineConfig.model_fields)) -> Iterator[Group]:
    """The groups of these sections, outer ones first."""
    seen: dict[tuple[type[BaseModel], ...], str] = {}
    for name in sections:
        yield from _groups(name, PipelineConfig.model_fields[name], seen)


def _groups(place: str, field: FieldInfo, seen: dict[tuple[type[BaseModel], ...], str]) -> Iterator[Group]:
    found = list(sections_in(field.annotation))
    members = tuple(member for member, _ in found)
    if not members:
        return
    top = "." not in place
    place += ".*" if found[0][1] else ""
    if members in seen:
        yield Group(place, f"{_flat(field.description)} Settings as in `{seen[members]}`.")
        return
    about = _flat(field.description if top or len(members) > 1 else members[0].__doc__)
    fields = [{name: one for name, one in member.model_fields.items() if name != "kind"} for member in members]
    base = next((known for known in seen if len(members) == len(known) == 1 and issubclass(members[0], known[0])), None)
    if base is not None:
        fields = [{name: one for name, one in fields[0].items() if name not in base[0].model_fields}]
        about += f" Settings as in `{seen[base]}`, and:"
    seen[members] = place
    shared = {name: one for name, one in fields[0].items() if all(_same(one, own.get(name)) for own in fields)}
    rows = [_setting(name, one) for name, one in shared.items()]
    for member, own in zip(members, fields, strict=True):
        kind = _kind(member) if len(members) > 1 else ""
        rows += [Setting("", kind, "", "", _flat(member.__doc__))] if kind else []
        rows += [_setting(name, one, kind) for name, one in own.items() if name not in shared]
    yield Group(place, about, tuple(rows))
    for own in fields:
        for name, one in own.items():
            yield from _groups(f"{place}.{name}", one, seen)


def _setting(name: str, field: FieldInfo, kind: str = "") -> Setting:
    default = REQUIRED if field.is_required() else _plain(field.get_default(call_default_factory=True))
    return Setting(name, kind, _type(field.annotation, field.metadata), default, _flat(field.description))


def _same(one: FieldInfo, other: FieldInfo | None) -> bool:
    return other is not None and _setting("", one) == _setting("", other)


def _type(annotation: Any, metadata: Any = ()) -> str:
    """A type and its bounds in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if sections := list(sections_in(annotation)):
        return ("list of sections" if sections[0][1] else "section") + (" or null" if NoneType in inner else "")
    if origin is Annotated:
        own = [bound for extra in inner[1:] for bound in getattr(extra, "metadata", [extra])]
        return _type(inner[0], (*own, *metadata))
    if origin in (Union, UnionType):
        return " or ".join(_type(one, metadata) for one in inner)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (tuple, dict):
        entry = re.sub(r"^(text|whole number|number)", r"\1s", _type(inner[-1 if origin is dict else 0]))
        return f"mapping to {entry}" if origin is dict else f"list of {entry}"
    bounds = [f" {sign} {getattr(one, key):g}" for one in metadata for key, sign in _SIGNS if hasattr(one, key)]
    return _WORDS[annotation] + (",".join(bounds) if annotation in (int, float) else "")


def _plain(value: Any) -> str:
    """A default as a config file may hold it; empty for a section without kinds, whose settings have a table."""
    match value:
        case BaseModel():
            fields = type(value).model_fields
            own = {name: getattr(value, name) for name in fields if name != "kind"}
            shown = [f"{name}: {_plain(one)}" for name, one in own.items() if one != fields[name].get_default()]
            return f"{{{', '.join([f'kind: {_kind(type(value))}', *shown])}}}" if "kind" in fields else ""
        case tuple():
            return "[" + ", ".join(_plain(item) for item in value) + "]"
        case str() if _bare(value):
            return value
        case _:
            return json.dumps(value)


def _bare(text: str) -> bool:
    """Whether YAML takes a text for itself without quotes, in a list too."""
    try:
        return bool(yaml.safe_load(f"[{text}]") == [text])
    except yaml.YAMLError:
        return False


def _kind(section: type[BaseModel]) -> str:
    return str(get_args(section.model_fields["kind"].annotation)[0])


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
