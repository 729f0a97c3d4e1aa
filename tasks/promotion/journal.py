"""Change aliases and the ledger together, such that a kill at any point leaves a state that the next change completes.

The intention is written to `ledger.pending.json` first, then the aliases move (`previous` before `champion`, so that a
reader of `champion` sees the old or the new version), then the entry is appended, then the intention is removed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tasks.promotion.gates import Verdict
from tasks.promotion.ledger import Aliases, Entry, recorded, unchecked
from tasks.promotion.publish import Pages
from tasks.runtime.errors import RefusedInput
from tasks.runtime.mlflow_store import reported
from tasks.runtime.processes import this_user
from tasks.runtime.registry import Registry
from tasks.runtime.workspace import Workspace, file_lock, write_atomically


@contextmanager
def promotion_lock(workspace: Workspace) -> Iterator[None]:
    """One change of the registry at a time."""
    with file_lock(workspace.promoting), reported(workspace):
        yield


@dataclass(frozen=True)
class Journal:
    """The ledger and the aliases of one model. Use it under `promotion_lock`."""

    registry: Registry
    model: str

    @property
    def file(self) -> Path:
        return self.registry.workspace.ledger

    @property
    def pending(self) -> Path:
        return self.file.with_name("ledger.pending.json")

    def entries(self) -> list[Entry]:
        return read_ledger(self.file)

    def settle(self) -> Aliases:
        """Complete a change that was cut off, record aliases that were moved outside, and return the aliases."""
        if self.pending.is_file():
            self._apply(Entry.model_validate_json(self.pending.read_bytes()))
        actual = self._actual()
        before = recorded(self.entries(), self.model)
        if before != actual:
            self._append(self.entry("external", before, actual, None, "moved outside Textmill"))
            self.publish()
        return actual

    def change(self, entry: Entry) -> None:
        write_atomically(self.pending, entry.model_dump_json(by_alias=True))
        self._apply(entry)
        self.publish()

    def publish(self) -> None:
        """Bring the ledger on the model's page up to date."""
        found, description = self.registry.about(self.model)
        if description is not None:  # somebody may have deleted the model
            Pages(self.registry, self.model).model_page(self.entries(), _aliases(found), description)

    def entry(
        self,
        action: Literal["promote", "reject", "rollback", "external"],
        before: Aliases,
        after: Aliases,
        verdict: Verdict | None,
        reason: str,
        *,
        who: str = "",
        version: int | None = None,
    ) -> Entry:
        gates = tuple(
            {"gate": gate.name, "needs": gate.needs, "has": gate.has, "passed": gate.passed}
            for gate in (verdict.gates if verdict else ())
        )
        return Entry(
            id=uuid.uuid4().hex,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            who=who.strip() or this_user(),
            model=self.model,
            action=action,
            version=version,
            before=before,
            after=after,
            verdict="not judged" if verdict is None else "passed" if verdict.passed else "refused",
            gates=gates,
            reason=reason,
        )

    def _apply(self, entry: Entry) -> None:
        for alias, version in (("previous", entry.after.previous), ("champion", entry.after.champion)):
            self.registry.set_alias(entry.model, alias, version)
        if all(known.id != entry.id for known in self.entries()):
            self._append(entry)
        self.pending.unlink(missing_ok=True)

    def _append(self, entry: Entry) -> None:
        text = self.file.read_text(encoding="utf-8") if self.file.is_file() else ""
        write_atomically(self.file, text + entry.model_dump_json(by_alias=True) + "\n")

    def _actual(self) -> Aliases:
        return _aliases(self.registry.aliases(self.model))


def champion_note(registry: Registry, model: str) -> str:
    """A sentence if a model's champion was set by hand, so that its gates were not checked; else nothing."""
    champion = registry.aliases(model).get("champion")
    if not unchecked(read_ledger(registry.workspace.ledger), model, champion):
        return ""
    return f"version {champion} was set as champion by hand: gates not checked"


def _aliases(found: Mapping[str, int]) -> Aliases:
    return Aliases(champion=found.get("champion"), previous=found.get("previous"))


def read_ledger(file: Path) -> list[Entry]:
    """The entries, oldest first.

    Raises:
        RefusedInput: for a line that is no entry, with its number.
    """
    if not file.is_file():
        return []
    entries = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entries.append(Entry.model_validate(json.loads(line)))
        except ValueError:
            raise RefusedInput(
                f"{file}, line {number}: not an entry of the ledger. Textmill writes this file alone; restore the line "
                "or take it out."
            ) from None
    return entries
