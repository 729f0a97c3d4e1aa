"""What was in use when: the pure part of promotions. Aliases before and after, entries, and what a rollback undoes.

(nothing) ── promote 3 ──► champion 3 ── promote 5 ──► champion 5, previous 3 ── rollback ──► champion 3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Aliases(BaseModel):
    """Version numbers; None = the alias is not set."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    champion: int | None = None
    previous: int | None = None


class Entry(BaseModel):
    """One line of `ledger.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    id: str
    when: str
    """ISO 8601, UTC."""
    who: str
    """The name given in a form, else the user's login name on this machine, or `uid N`."""
    model: str
    action: Literal["promote", "reject", "rollback", "external"]
    """`reject`: a person who was asked said no (`promotion.manual`); nothing moved. `external`: somebody moved an alias
    without Textmill; recorded before the next change."""
    version: int | None = None
    """Of `reject`: the version that stays challenger."""
    before: Aliases = Field(alias="from")
    after: Aliases = Field(alias="to")
    verdict: Literal["passed", "refused", "not judged"]
    gates: tuple[dict[str, str | bool], ...] = ()
    reason: str = ""
    """Why the gates were overridden, or what was given as the reason of a decision; may be empty."""


def promoted(aliases: Aliases, version: int) -> Aliases:
    """The aliases once `version` is champion."""
    return Aliases(champion=version, previous=aliases.champion)


def undoable(entries: Sequence[Entry], model: str) -> Entry | None:
    """The last promotion of `model` that no rollback has undone yet."""
    standing: list[Entry] = []
    for entry in entries:
        if entry.model != model:
            continue
        match entry.action:
            case "promote":
                if entry.before != entry.after:  # else it judged a champion that was set by hand
                    standing.append(entry)
            case "rollback":
                standing.pop()
            case "external" | "reject":
                pass
    return standing[-1] if standing else None


def withdrawn(entries: Sequence[Entry], model: str, version: int) -> bool:
    """Whether a rollback took `version` out of use, and nobody has promoted it since."""
    for entry in reversed(entries):
        if entry.model == model and version in (entry.before.champion, entry.after.champion):
            return entry.action == "rollback" and entry.before.champion == version
    return False


def rejected(entries: Sequence[Entry], model: str, version: int) -> bool:
    """Whether a person rejected `version`, and nobody has promoted it since."""
    for entry in reversed(entries):
        if entry.model == model and version in (entry.version, entry.after.champion):
            return entry.action == "reject" and entry.version == version
    return False


def recorded(entries: Sequence[Entry], model: str) -> Aliases:
    """The aliases as the ledger left them."""
    return next((entry.after for entry in reversed(entries) if entry.model == model), Aliases())


def unchecked(entries: Sequence[Entry], model: str, champion: int | None) -> bool:
    """Whether `champion` was set by hand: no gate was asked, and nobody overrode one."""
    if champion is None:
        return False
    if recorded(entries, model).champion != champion:
        return True  # moved since the last entry, perhaps to a version that was promoted once
    for entry in reversed(entries):
        if entry.model != model or entry.after.champion != champion:
            continue
        if entry.action == "promote":
            return False
        if entry.action == "external" and entry.before.champion != champion:
            return True
    return True
