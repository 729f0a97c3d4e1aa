"""Every section class of the configuration, an example of each, and other valid values for each field."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

import pipeline_config
from pipeline_config.base import Section

SPECIAL: dict[tuple[str, str], tuple[Any, ...]] = {
    ("ModelSection", "sha256"): ("a" * 64,),
    ("PipelineConfig", "compress"): ({"parity_tolerance": 0.5},),
    ("LabelSource", "split"): ("train",),
    ("LabelsConfig", "split"): ({"kind": "made", "test": 0.3},),
    ("Csv", "quote"): ("'",),
    ("PiiConfig", "placeholder"): ("[{kind}]",),
    ("SecretsConfig", "placeholder"): ("[{kind}]",),
    ("SelectConfig", "drop"): (("doc:" + "a" * 32,),),
    ("SelectConfig", "keep"): (("doc:" + "a" * 32,),),
    ("CleanConfig", "accept_losses"): (("repair",),),
    ("SelectConfig", "accept_losses"): (("near",),),
}
"""Other valid values where their kind does not tell."""


def all_sections() -> list[type[Section]]:
    for file in Path(next(iter(pipeline_config.__path__))).glob("*.py"):
        if file.stem != "load":
            importlib.import_module(f"pipeline_config.{file.stem}")
    found: dict[str, type[Section]] = {}
    waiting: list[type[Section]] = [Section]
    while waiting:
        for section in waiting.pop().__subclasses__():
            waiting.append(section)
            if section.__module__.startswith("pipeline_config."):
                found[section.__name__] = section
    return [found[name] for name in sorted(found)]


def example(section: type[BaseModel]) -> BaseModel:
    """The smallest valid instance."""
    required = {
        name: next(_values(section, name, field.annotation))
        for name, field in section.model_fields.items()
        if field.is_required()
    }
    return section.model_validate(required)


def variants(instance: BaseModel, name: str) -> Iterator[BaseModel]:
    """Valid instances that differ from `instance` in the field `name` alone."""
    section, present = type(instance), getattr(instance, name)
    plain = instance.model_dump()
    for value in _values(section, name, section.model_fields[name].annotation):
        try:
            other = section.model_validate({**plain, name: value})
        except ValidationError:
            continue
        if getattr(other, name) != present:
            yield other


def _values(section: type[BaseModel], name: str, annotation: Any) -> Iterator[Any]:
    yield from SPECIAL.get((section.__name__, name), ())
    yield from _of(annotation)


def _of(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        yield from _of(annotation.__value__)
    elif origin is Annotated:
        yield from _of(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _of(member)
    elif origin is Literal:
        yield from get_args(annotation)
    elif origin is tuple:
        inner = [part for part in get_args(annotation) if part is not Ellipsis]
        if Ellipsis in get_args(annotation):
            for value in _of(inner[0]):
                yield (value,)
        else:
            yield from zip(*(list(_of(part)) * 1 for part in inner), strict=False)
    elif origin is dict:
        yield from ({"x": value} for value in _of(get_args(annotation)[1]))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        base = example(annotation)
        yield base.model_dump()
        for name in annotation.model_fields:
            yield from (other.model_dump() for other in variants(base, name))
    elif annotation is type(None):
        yield None
    else:
        yield from {
            bool: (True, False),
            int: (1, 2, 3, 0, 40, 64, 1000),
            float: (0.25, 0.5, 0.125, 0.75, 2.0, 0.0, 1.5),
            str: ("x", "y", "", "package:x/y"),
            Any: ("x",),
        }.get(annotation, ())
