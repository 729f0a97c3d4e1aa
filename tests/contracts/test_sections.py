"""One contract for every section and every member of every union of the configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from pipeline_config.base import Section
from tasks.runtime.fingerprint import digest_of
from tests.contracts.sections import all_sections, example, variants

ROOT = Path(__file__).parents[2]
SECTIONS = all_sections()
MEMBERS = [section for section in SECTIONS if "kind" in section.model_fields]
FIELDS = [
    (section, name)
    for section in SECTIONS
    for name, field in section.model_fields.items()
    if not (field.is_required() and name == "kind")
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_it_is_frozen_closed_and_survives_json(section: type[Section]) -> None:
    instance = example(section)
    assert section.model_validate_json(instance.model_dump_json()) == instance
    with pytest.raises(ValidationError, match="Extra inputs"):
        section.model_validate({**instance.model_dump(), "no_such_key": 1})
    if section.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(instance, next(iter(section.model_fields)), 1)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_it_and_its_fields_are_documented(section: type[Section]) -> None:
    missing = [name for name, field in section.model_fields.items() if not field.description and name != "kind"]
    obvious = {"minimum", "maximum", "maximum_hashes", "maximum_ellipses", "maximum_characters"}
    assert section.__doc__
    assert section.__doc__ != Section.__doc__
    assert not set(missing) - obvious, f"{section.__name__}: write a docstring under {missing}"


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_every_field_counts_in_the_fingerprint_unless_it_is_a_place(section: type[Section], name: str) -> None:
    instance = example(section)
    others = list(variants(instance, name))
    assert others, f"no other valid value of {section.__name__}.{name} is known; add one to SPECIAL"
    extra = section.model_fields[name].json_schema_extra
    is_place = isinstance(extra, dict) and extra.get("identity") is False
    inner_places = is_place or _holds_place(section.model_fields[name].annotation)
    changed = [digest_of(other) != digest_of(instance) for other in others]
    assert not any(changed) if is_place else any(changed) if inner_places else all(changed)


def _holds_place(annotation: object) -> bool:
    """Whether some field below is a place: then not every variant differs in identity."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(
            (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("identity") is False)
            or _holds_place(field.annotation)
            for field in annotation.model_fields.values()
        )
    return any(_holds_place(inner) for inner in getattr(annotation, "__args__", ()))


def test_every_member_of_a_union_has_a_test() -> None:
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    untested = [
        section.__name__
        for section in MEMBERS
        if section.__name__ not in tests and not re.search(rf"[\"']{_kind(section)}[\"']", tests)
    ]
    assert not untested


def test_kinds_of_one_union_differ() -> None:
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            if field.discriminator:
                kinds = [_kind(member) for member in getattr(field.annotation, "__args__", ())]
                assert len(set(kinds)) == len(kinds), (section, name)


def _kind(section: type[BaseModel]) -> str:
    return str(get_args(section.model_fields["kind"].annotation)[0])


def test_the_schema_is_json() -> None:
    from pipeline_config.pipeline import PipelineConfig

    assert json.loads(json.dumps(PipelineConfig.model_json_schema()))["title"] == "PipelineConfig"
