"""What a report is made from: the record of one run, the artifacts it names, and the ledger. Nothing else is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.runtime.artifact import MANIFEST, Manifest
from tasks.runtime.mlflow_store import aliases_on_disk
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import Workspace


class Absent(Exception):
    """A section has nothing to show; the message is a sentence for the reader, and why."""


@dataclass(frozen=True)
class Node:
    """An artifact as it lies on disk."""

    name: str
    folder: Path
    manifest: Manifest
    execution: Execution
    record: NodeRecord

    @property
    def metrics(self) -> dict[str, Any]:
        return self.manifest.metrics

    def json(self, file: str) -> Any:
        return json.loads((self.folder / file).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Material:
    workspace: Workspace
    record: RunRecord

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes of the run whose artifact is still there, in the order of the road."""
        store, found = Store(self.workspace), {}
        for name, record in self.record.nodes.items():
            folder = self.workspace.artifact(name, record.fingerprint)
            try:
                manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
            except (OSError, ValidationError):
                continue
            if manifest.digest == record.digest:
                found[name] = Node(name, folder, manifest, store.execution(folder) or Execution(), record)
        return found

    def node(self, name: str) -> Node:
        """
        Raises:
            Absent: the run did not come to this node, or its artifact is gone.
        """
        if name in self.nodes:
            return self.nodes[name]
        if name in self.record.nodes:
            raise Absent(f"The artifact of {name} is no longer there, or was replaced since.")
        raise Absent(f"This run did not come to {name}.")

    @property
    def model(self) -> str:
        """Its name; empty in a record that does not know it."""
        return str(self.record.config.get("model", {}).get("name") or (self.record.promotion or {}).get("model", ""))

    @cached_property
    def ledger(self) -> list[dict[str, Any]]:
        """What was decided about the run's model, oldest first; lines that cannot be read are left out."""
        file, found = self.workspace.ledger, []
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            sides = [entry.get("from"), entry.get("to")] if isinstance(entry, dict) else [None]
            if all(isinstance(side, dict) for side in sides) and entry.get("model") == self.model:
                found.append(entry)
        return found

    @cached_property
    def champion(self) -> int | None:
        """The version in use: as the registry says, if it lies here; else as the ledger left it, or the run."""
        aliases = aliases_on_disk(self.workspace, self.model)
        return self.recorded_champion if aliases is None else aliases.get("champion")

    @property
    def recorded_champion(self) -> int | None:
        """The version in use as the ledger left it, else as the run did."""
        if self.ledger:
            version = (self.ledger[-1].get("to") or {}).get("champion")
            return version if isinstance(version, int) else None
        return (self.record.promotion or {}).get("champion")

    @property
    def set_by_hand(self) -> bool:
        """Whether no gate was asked about the version in use, and none overridden."""
        champion = self.champion
        if champion != self.recorded_champion:
            return champion is not None  # moved since the last entry
        for entry in reversed(self.ledger):
            before, after = ((entry.get(side) or {}).get("champion") for side in ("from", "to"))
            if after == champion and entry.get("action") == "promote":
                return False
            if after == champion != before and entry.get("action") == "external":
                break
        return champion is not None

    @cached_property
    def rung(self) -> dict[str, Any]:
        """The step of the ladder that the run is about: the candidate, else the last."""
        rungs = self.node("evaluate").metrics["rungs"]
        variant = (self.record.promotion or {}).get("variant")
        return next((row for row in rungs if variant and row["variant"] == variant), rungs[-1])
