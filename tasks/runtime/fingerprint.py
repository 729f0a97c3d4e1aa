"""The name of a recipe: what is done, with which settings, to what. Never how fast, where or when.

A fingerprint is the SHA-256 of a canonical JSON text. Canonicalisation raises on every value that it cannot
represent faithfully; it never guesses (sets have no order, paths name places, NaN equals nothing).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def canonical(value: Any, where: str = "value") -> Any:
    """Return `value` as JSON types, such that equal recipes give equal text.

    Artifacts stand for their fingerprint. Of a config, fields at their default and fields marked `NOT_IDENTITY` are
    left out, so that a new optional field spoils no cache; a `Literal` field (the `kind` of a union) always stays.

    Raises:
        TypeError: for a type without a canonical form, naming the field.
        ValueError: for NaN or an infinite float.
    """
    from tasks.runtime.artifact import Artifact

    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return canonical(value.value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}={value} has no canonical form: expected a finite number.")
        return value + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, Artifact):
        return {"artifact": value.fingerprint}
    if isinstance(value, BaseModel):
        return {
            name: canonical(getattr(value, name), f"{where}.{name}")
            for name, field in sorted(type(value).model_fields.items())
            if _counts(field, getattr(value, name))
        }
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"{where}: a mapping in a recipe needs text keys, got {list(value)!r}.")
        return {key: canonical(value[key], f"{where}.{key}") for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(
        f"{where}: {type(value).__name__} has no canonical form; use JSON types, tuples or config sections."
    )


def _counts(field: FieldInfo, value: Any) -> bool:
    if _is_place(field):
        return False
    if get_origin(field.annotation) is Literal and len(getattr(field.annotation, "__args__", ())) == 1:
        return True
    return field.is_required() or bool(value != field.get_default(call_default_factory=True))


def _is_place(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("identity") is False


def resolved(config: BaseModel) -> dict[str, Any]:
    """The whole config as JSON types, defaults written out; fields that only say where something is are left out."""
    plain: dict[str, Any] = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        if _is_place(field):
            del plain[name]
        else:
            plain[name] = _resolved_value(getattr(config, name), plain[name])
    return plain


def _resolved_value(value: Any, plain: Any) -> Any:
    if isinstance(value, BaseModel):
        return resolved(value)
    if isinstance(value, list | tuple):
        return [_resolved_value(item, there) for item, there in zip(value, plain, strict=True)]
    if isinstance(value, Mapping):
        return {key: _resolved_value(value[key], plain[key]) for key in value}
    return plain


def digest_of(value: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `value`."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(stage: str, version: int, arguments: Mapping[str, Any]) -> str:
    """Name the recipe of one node: the stage, its version, its config, and the fingerprints of its inputs."""
    return digest_of({"stage": stage, "version": version, "arguments": dict(arguments)})[:32]
