"""Read a configuration: one YAML file, perhaps on a preset, and dotted `key=value` overrides.

Every complaint names the setting, the value, where it stands (file and line, or the command line) and the remedy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline_config.base import ConfigError as ConfigError
from pipeline_config.base import Place
from pipeline_config.overrides import apply_override
from pipeline_config.pipeline import PipelineConfig

PRESETS = Path(__file__).parent / "presets"


def load(file: Path, overrides: Sequence[str] = ()) -> PipelineConfig:
    """Return the configuration of `file` with `overrides` applied, every default filled in.

    Raises:
        ConfigError: for a missing or unreadable file, an unknown key, a wrong type or a contradiction.
    """
    values, origins = read(file)
    for override in overrides:
        apply_override(values, origins, override)
    read_lists(values, file.parent)
    try:
        return PipelineConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, origins, PipelineConfig)) from None


def read(file: Path) -> tuple[dict[str, Any], dict[Place, str]]:
    """Return the values of a file on top of its preset, and for every place in them where it was written."""
    values, origins = _parse(file)
    read_lists(values, file.parent)
    name = values.pop("preset", None)
    if name is None:
        return values, origins
    preset = PRESETS / f"{name}.yaml"
    if not isinstance(name, str) or not preset.is_file():
        raise ConfigError(
            f"preset {name!r} ({origins[('preset',)]}) does not exist. There are: {', '.join(preset_names())}"
        )
    base, base_origins = _parse(preset)
    return _merged(base, values), {**base_origins, **origins}


def read_lists(values: dict[str, Any], folder: Path) -> None:
    """Put the ids of a file in the place of its name, where a list of documents may be a file."""
    select = values.get("select")
    if not isinstance(select, dict):
        return
    for name in ("keep", "drop"):
        if isinstance(select.get(name), str):
            select[name] = list(_ids(folder / select[name], f"select.{name}"))


def _ids(file: Path, setting: str) -> Iterator[str]:
    """The ids of documents in a file, one a line; what follows `#` is a remark."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting}: {file} cannot be read as UTF-8 text ({error}).") from None
    for number, line in enumerate(lines, 1):
        document = line.partition("#")[0].strip()
        if document and not re.fullmatch(r"doc:[0-9a-f]{32}", document):
            raise ConfigError(
                f"{setting}: {file}, line {number}: {_short(document)} is no document. Expected doc: and the 32 "
                "hexadecimal digits of its id, one document a line."
            )
        if document:
            yield document


def written(file: Path, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Of every setting that is no default, by dotted name, where it was written: a file and line, or `command line`."""
    values, origins = read(file)
    for override in overrides:
        apply_override(values, origins, override)
    return {
        ".".join(map(str, place)): next(origins[place[:n]] for n in range(len(place), 0, -1) if place[:n] in origins)
        for place, _ in leaves(values)
    }


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The settings in nested values, each with its place; a list that holds no sections is one setting."""
    if isinstance(value, Mapping) and value:
        items: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        items = list(enumerate(value))
    else:
        yield place, value
        return
    for key, item in items:
        yield from leaves(item, (*place, key))


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _parse(file: Path) -> tuple[dict[str, Any], dict[Place, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file. To make one: textmill init DIR") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text ({error}).") from None
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        values = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error)
        hint = " (a tab? YAML is indented with spaces)" if "cannot start any token" in problem else ""
        raise ConfigError(f"{file.name}{line}: not YAML: {problem}{hint}.") from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file.name}, line 1: expected `key: value` lines, got {type(values).__name__}.")
    return values, dict(_origins(root, (), file.name))


def _origins(node: yaml.Node | None, place: Place, file: str) -> Iterator[tuple[Place, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                dotted = ".".join(map(str, (*place, key.value)))
                raise ConfigError(f"{file}, line {line}: {dotted!r} stands on line {seen[key.value]} already.")
            seen[key.value] = line
            yield (*place, key.value), f"{file}, line {line}"
            yield from _origins(value, (*place, key.value), file)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), f"{file}, line {value.start_mark.line + 1}"
            yield from _origins(value, (*place, index), file)


def _merged(base: Any, over: Any) -> Any:
    """`over` on top of `base`: mappings key by key (unless they are of another `kind`), everything else replaced."""
    if isinstance(base, dict) and isinstance(over, dict) and over.get("kind", base.get("kind")) == base.get("kind"):
        return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
    return over


# --- what a validation error means to a person ---


def explain(error: ValidationError, origins: Mapping[Place, str], model: type[BaseModel]) -> str:
    """One line a mistake, and the remedy."""
    known = settings(model)
    lines = [_complaint(dict(detail), origins, known) for detail in error.errors(include_url=False)]
    return "\n  ".join(dict.fromkeys(lines))


def _complaint(detail: dict[str, Any], origins: Mapping[Place, str], known: Mapping[str, FieldInfo]) -> str:
    place = _written(detail["loc"], known)
    dotted = ".".join(map(str, place))
    origin = next((origins[place[:n]] for n in range(len(place), 0, -1) if place[:n] in origins), "default")
    section = str(place[0]) if place else ""
    match detail["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(_pattern(place), known, 1)
            like = _like(near[0], place) if near else dotted
            hint = f" Did you mean {like!r}?" if like != dotted else ""  # of another kind it may be one
            more = (
                "" if section not in known else f"\n  All settings of a section: textmill validate --explain {section}"
            )
            return f"{dotted!r} is no setting ({origin}).{hint}{more}"
        case "missing":
            field = known.get(_pattern(place))
            what = f" {' '.join(field.description.split())}" if field is not None and field.description else ""
            return f"{dotted!r} is missing{f' ({origin})' if origin != 'default' else ''}.{what}"
        case "string_pattern_mismatch" if (field := known.get(_pattern(place))) and field.description:
            return f"{dotted} = {_short(detail['input'])} ({origin}) is refused. {' '.join(field.description.split())}"
        case "union_tag_invalid" | "union_tag_not_found":
            origin = origins.get(
                (*place, "kind"), next((origins[o] for o in origins if o[: len(place)] == place), origin)
            )
            missing = " is missing" if detail["type"] == "union_tag_not_found" else ""
            return f"{dotted}.kind{missing} ({origin}): expected one of {', '.join(_kinds(place, known))}."
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
            return f"{dotted} ({origin}): {message}" if dotted else message
        case "model_type" | "model_attributes_type":
            field = known.get(_pattern(place))
            null = ", or null" if field is not None and NoneType in get_args(field.annotation) else ""
            return f"{dotted} = {_short(detail['input'])} ({origin}): expected settings below it{null}."
        case _:
            message = detail["msg"].replace("Input should be", "expected").partition(", unable to")[0]
            return f"{dotted} = {_short(detail['input'])} ({origin}): {message}."


def _written(loc: Place, known: Mapping[str, FieldInfo]) -> Place:
    """The place as a person writes it: pydantic puts the tag of a union member between."""
    place: Place = ()
    tagged = False
    for part in loc:
        if not tagged and not isinstance(part, int) and _is_union(place, known):
            tagged = True
        else:
            place, tagged = (*place, part), False
    return place


def _is_union(place: Place, known: Mapping[str, FieldInfo]) -> bool:
    """Whether one of several kinds of section stands at a place, perhaps as an entry of a list."""
    field = known.get(_pattern(place).removesuffix(".*"))
    found = [] if field is None else sections_in(field.annotation)
    listed = bool(place) and isinstance(place[-1], int)
    return any(of_list == listed and "kind" in section.model_fields for section, of_list in found)


def _kinds(place: Place, known: Mapping[str, FieldInfo]) -> list[str]:
    """What `kind` may be at a place where a union stands, perhaps as an entry of a list."""
    field = known[_pattern(place).removesuffix(".*")]
    fields = [section.model_fields["kind"] for section, _ in sections_in(field.annotation)]
    return [repr(name) for kind in fields for name in get_args(kind.annotation)]


def _pattern(place: Place) -> str:
    return ".".join("*" if isinstance(part, int) else part for part in place)


def _like(pattern: str, place: Place) -> str:
    """A pattern with the list positions of the place that a person wrote."""
    numbers = iter([part for part in place if isinstance(part, int)])
    return ".".join(str(next(numbers, 0)) if part == "*" else part for part in pattern.split("."))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def settings(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Every setting below `model` by dotted name (`*` stands for a position in a list), in the order of the classes."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{name}"
        found.setdefault(dotted, field)
        for inner, listed in sections_in(field.annotation):
            found |= {k: v for k, v in settings(inner, f"{dotted}.{'*.' if listed else ''}").items() if k not in found}
    return found


def sections_in(annotation: Any, listed: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    """The config classes in an annotation, and whether each stands in a list or mapping."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, listed
    elif origin is Annotated:
        yield from sections_in(get_args(annotation)[0], listed)
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from sections_in(member, listed)
    elif origin in (tuple, list, dict):
        for member in get_args(annotation):
            yield from sections_in(member, True)
