"""Every default that the reference shows may stand in a config file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from pipeline_config.described import REQUIRED, _setting, described
from pipeline_config.load import sections_in
from pipeline_config.pipeline import PipelineConfig


def fields(section: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a section and of all below it, each class once."""
    if section in seen:
        return
    seen.add(section)
    for name, field in section.model_fields.items():
        yield f"{section.__name__}.{name}", field
        for inner, _ in sections_in(field.annotation):
            yield from fields(inner, seen)


FIELDS = dict(fields(PipelineConfig, set()))


@pytest.mark.parametrize("place", FIELDS)
def test_a_default_loads_as_it_is_shown(place: str) -> None:
    field = FIELDS[place]
    shown = _setting("x", field).default
    if shown in ("", REQUIRED):  # a section whose settings have a table of their own, or no default
        return
    loaded = TypeAdapter(Annotated[field.annotation, field]).validate_python(yaml.safe_load(shown))
    assert loaded == field.get_default(call_default_factory=True)


def test_every_kind_of_section_is_looked_at() -> None:
    shown = {(setting.name, setting.default) for group in described() for setting in group.settings if setting.name}
    assert shown <= {(place.rpartition(".")[2], _setting("x", field).default) for place, field in FIELDS.items()}
