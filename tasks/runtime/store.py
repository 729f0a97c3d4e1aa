"""The artifacts of a workspace: is this one reusable, why not, and how a new one is put in its place.

An artifact is reusable iff its fingerprint, its own digest and the digests of its recorded inputs all hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.runtime.artifact import EXECUTION, LINEAGE, MANIFEST, SAMPLE, Artifact, InputFiles, Manifest, artifacts_in
from tasks.runtime.runs import records
from tasks.runtime.stage import Stage
from tasks.runtime.workspace import DigestMemory, Workspace, remove_tree

A = TypeVar("A", bound=Artifact)


class Execution(BaseModel):
    """How an artifact came to be. Nothing of it is part of the result."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    run: str = ""
    mlflow_run_id: str = ""
    started: str = ""
    """ISO 8601, UTC."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    """Most resident memory of the stage's process."""
    disk_bytes: int = 0
    host: str = ""
    versions: dict[str, str] = {}
    measured: dict[str, float] = {}
    """Figures of a clock: latencies, rates."""
    curves: dict[str, list[tuple[int, float]]] = {}
    """What was logged over steps: (step, value) by name. Of work that was resumed, the steps since."""


@dataclass(frozen=True)
class Finding:
    """What the store says of a node: an intact artifact, or none and why."""

    artifact: Artifact | None
    reason: str
    """Empty if the artifact is reusable as it stands."""
    if_equal: tuple[str, ...] = ()
    """Nodes that run again first; the artifact is reusable if they come out equal."""


@dataclass
class Store:
    workspace: Workspace
    digests: DigestMemory = field(init=False)
    _checked: dict[Path, tuple[Manifest | None, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.digests = DigestMemory(self.workspace.root / ".digests.json")

    def find(self, stage: Stage[Any, A], node: str, arguments: Mapping[str, Any]) -> Finding:
        """Look for the artifact of this recipe. An input without a digest is one that is still to be made."""
        fingerprint = stage.fingerprint(arguments)
        folder = self.workspace.artifact(node, fingerprint)
        manifest, damage = self.verify(folder)
        if manifest is None:
            return Finding(None, damage)
        if manifest.fingerprint != fingerprint or manifest.kind != stage.result.__name__:
            return Finding(None, "damaged: manifest.json belongs to another recipe")
        pending = []
        for name, artifact in artifacts_in(dict(arguments)):
            recorded = manifest.inputs.get(name)
            if not artifact.digest:
                pending.append(artifact.node)
            elif recorded is None or recorded.digest != artifact.digest:
                return Finding(None, f"input {artifact.node} came out different")
        found = stage.result(node=node, fingerprint=fingerprint, digest=manifest.digest, path=folder)
        return Finding(found, "", tuple(dict.fromkeys(pending)))

    def verify(self, folder: Path, *, afresh: bool = False) -> tuple[Manifest | None, str]:
        """Check manifest and files of an artifact; return (manifest, "") or (None, what is wrong)."""
        if folder in self._checked and not afresh:
            return self._checked[folder]
        result = self._verify(folder, afresh=afresh)
        self._checked[folder] = result
        return result

    def _verify(self, folder: Path, *, afresh: bool) -> tuple[Manifest | None, str]:
        try:
            manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return None, "damaged: manifest.json is missing" if folder.exists() else "missing"
        except (OSError, ValidationError):
            return None, "damaged: manifest.json"
        if not manifest.holds():
            return None, "damaged: manifest.json"
        for name, expected in manifest.files.items():
            try:
                digest, size = self.digests.sha256(folder / name, afresh=afresh)
            except OSError:
                return None, f"damaged: {name} is missing"
            if digest != expected.sha256 or size != expected.size:
                return None, f"damaged: {name}"
        return manifest, ""

    def publish(self, made: A, execution: Execution) -> tuple[A, str]:
        """Move a finished artifact into its place; return it and how it compares with one that was there before.

        The comparison is "" (there was none, or it began otherwise: other bytes went in, or other fitted state),
        "equal" (the old one stays) or "different" (the recipe is not reproducible; the new one replaces the old).
        """
        target = self.workspace.artifact(made.node, made.fingerprint)
        old, _ = self.verify(target, afresh=True)
        self._checked.pop(target, None)
        previous, manifest = _recorded(target), made.manifest
        compared = ""
        if previous is not None and previous.digest == made.digest:
            compared = "equal"
        elif previous is not None and _same_inputs(previous, manifest):
            compared = "different" if previous.metrics.get(LINEAGE) == manifest.metrics.get(LINEAGE) else ""
        if old is not None and old.digest == made.digest and _same_inputs(old, manifest):
            remove_tree(made.path)
        else:
            (made.path / EXECUTION).write_text(execution.model_dump_json(indent=1) + "\n", encoding="utf-8")
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_tree(target)
            made.path.rename(target)
        return made.model_copy(update={"path": target}), compared

    def earlier(self, recipe: Manifest) -> Path | None:
        """The last intact artifact of a node whose recipe differs in artifacts that went in, and in nothing else.

        Those come first whose inputs were made with the same settings: what was tried out in between is no ancestor.
        Nor is what was made of another share of the documents, or of nobody knows which, though it may hold most of
        them: a first look at a sample fits no state for the whole.
        """
        before = self._settings_before(recipe)
        alike: list[Path] = []
        other: list[Path] = []
        for folder in self.last_used(recipe.node):
            found = _manifest(folder)
            if folder.name != recipe.fingerprint and found and _kin(found) == _kin(recipe):
                settings = self._settings_before(found)
                if _shares(settings) == _shares(before):
                    (alike if settings == before else other).append(folder)
        return next((folder for folder in (*alike, *other) if self.verify(folder)[0] is not None), None)

    def last_used(self, node: str) -> list[Path]:
        """The artifacts of a node, first those of the newest run: a run that reuses one comes after all before it."""
        last: dict[str, str] = {}
        for record in records(self.workspace, limit=None):
            if node in record.nodes:
                last.setdefault(record.nodes[node].fingerprint, record.id)
        made = {
            folder: (last.get(folder.name, ""), execution.started)
            for folder in (self.workspace.artifacts / node).glob("[!.]*")
            if (execution := self.execution(folder))
        }
        return sorted(made, key=lambda folder: made[folder], reverse=True)

    def _settings_before(self, manifest: Manifest) -> dict[str, Any]:
        """By node the version and settings of all that an artifact was made from; None for what is gone."""
        settings: dict[str, Any] = {}
        for record in manifest.inputs.values():
            if record.kind != InputFiles.__name__:
                found = _manifest(self.workspace.artifact(record.node, record.fingerprint))
                settings[record.node] = {"version": found.version, "config": found.config} if found else None
                settings |= self._settings_before(found) if found else {}
        return settings

    def execution(self, folder: Path) -> Execution | None:
        return execution_in(folder)

    def last_execution(self, node: str) -> Execution | None:
        """The newest execution of a node under any recipe: the base of an estimate."""
        found = [self.execution(folder) for folder in (self.workspace.artifacts / node).glob("[!.]*")]
        return max((one for one in found if one), key=lambda one: one.started, default=None)


def execution_in(folder: Path) -> Execution | None:
    """How the artifact in `folder` came to be; None if that was lost."""
    try:
        return Execution.model_validate_json((folder / EXECUTION).read_bytes())
    except (OSError, ValidationError):
        return None


def _recorded(folder: Path) -> Manifest | None:
    """What the manifest in `folder` claims, be the files intact or not."""
    manifest = _manifest(folder)
    return manifest if manifest and manifest.holds() else None


def _manifest(folder: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _kin(manifest: Manifest) -> tuple[Any, ...]:
    """What recipes share that differ in the artifacts that go in alone."""
    files = {name: record.digest for name, record in manifest.inputs.items() if record.kind == InputFiles.__name__}
    return manifest.stage, manifest.version, manifest.config, manifest.inputs.keys(), files


def _shares(settings: dict[str, Any]) -> dict[str, Any]:
    """By node of `_settings_before` the share that it read on; None where there is no such setting."""
    return {node: made and made["config"].get(SAMPLE) for node, made in settings.items()}


def _same_inputs(one: Manifest, other: Manifest) -> bool:
    return {k: v.digest for k, v in one.inputs.items()} == {k: v.digest for k, v in other.inputs.items()}
