"""The configuration reference, made from the classes: `python -m pipeline_config.reference > docs/configuration.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_config.load import sections_in
from pipeline_config.pipeline import PipelineConfig

HEAD = """\
# Configuration reference

Every setting of a config file, made from the classes in `pipeline_config/` (`python -m pipeline_config.reference`).
A setting is given in the file, or on the command line as `section.setting=value`. `*` stands for a position in a list.
Where a section comes in several kinds, `kind` chooses, and the settings of each kind stand under its name.
"""


def reference() -> str:
    parts = [HEAD]
    for name, field in PipelineConfig.model_fields.items():
        parts.append(f"## {name}\n\n{_flat(field.description)}\n")
        (section,) = {section for section, _ in sections_in(field.annotation)}
        parts += _section(section, f"{name}.")
    return "\n".join(parts)


def _section(section: type[BaseModel], prefix: str) -> Iterator[str]:
    if section.__doc__ and prefix.count("."):
        yield f"{_flat(section.__doc__)}\n"
    rows, inner = [], []
    for name, field in section.model_fields.items():
        below = list(sections_in(field.annotation))
        rows.append(f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {_flat(field.description)} |")
        inner += [(name, member, listed, len(below) > 1) for member, listed in below]
    if rows:
        yield "\n".join(["| setting | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"
    for name, member, listed, chosen in inner:
        place = f"{prefix}{name}{'.*' if listed else ''}"
        kind = get_args(member.model_fields["kind"].annotation)[0] if chosen and "kind" in member.model_fields else ""
        yield f"### {place}" + (f" ({kind})" if kind else "") + "\n"
        yield from _section(member, f"{place}.")


def _kind(field: FieldInfo) -> str:
    if any(True for _ in sections_in(field.annotation)):
        return "list of sections" if any(listed for _, listed in sections_in(field.annotation)) else "section"
    text = getattr(field.annotation, "__name__", "") if isinstance(field.annotation, type) else str(field.annotation)
    text = text.replace("typing.", "").replace("NoneType", "null").replace("None", "null")
    if "Annotated" in text:
        text = "list of numbers" if "float" in text or "int" in text else "list of texts"
    return f"`{text}`".replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        changed = value.model_dump(exclude_defaults=True)
        return f"kind `{changed['kind']}`" if "kind" in changed else "as below"
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return ", ".join(f"`{getattr(item, 'kind', '…')}`" for item in value)
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value) if value != "" else '""'


def _flat(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
