"""What every section of the configuration shares: frozen, closed to unknown keys, each field documented."""

from typing import Any

from pydantic import BaseModel, ConfigDict

NOT_IDENTITY: dict[str, Any] = {"identity": False}
"""`Field(json_schema_extra=NOT_IDENTITY)` marks a field that says *where* something is, not *what* it is.

Such a field (a path, an address) stays out of the fingerprint; the bytes it leads to enter by their digest.
"""


Place = tuple[str | int, ...]
"""Where something stands in a configuration: names of settings, and positions in lists."""


class ConfigError(ValueError):
    """The configuration is refused; the message is meant for the person who wrote it."""


class Section(BaseModel):
    """A frozen part of the configuration; a field's docstring is its documentation and gives its unit."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
