"""What lies in a workspace's cache, what needs it, and how the rest is removed.

Needed is what a config file of the workspace leads to, what the last run or one that is under way uses, and what the
registered versions were made from and judged by. Nothing is said to be unneeded because it could not be read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml

from flows.arguments import ConfigArguments
from flows.prepare import load_checked
from flows.road import road
from pipeline_config.pipeline import PipelineConfig
from tasks.runtime.artifact import MANIFEST, Artifact, Manifest
from tasks.runtime.errors import RefusedInput
from tasks.runtime.mlflow_store import own_address
from tasks.runtime.registry import Registry, Version
from tasks.runtime.runs import REMEMBERED_RUNS, RunRecord, is_under_way, records
from tasks.runtime.stage import Stage, node_name
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import LockHeld, Workspace, file_lock, refuse_to_wait, set_aside

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)

Node = tuple[str, str]
"""A node and a fingerprint: names an artifact, made or to be made."""


@dataclass(frozen=True)
class Held:
    """An artifact in the cache."""

    node: str
    fingerprint: str
    path: Path
    size: int
    """Bytes."""
    made: str
    """ISO 8601, UTC; empty if unknown."""
    kept_for: tuple[str, ...]
    """Empty: nothing needs it."""


@dataclass(frozen=True)
class Leftover:
    """What a process that is gone, or a run of long ago, left."""

    path: Path
    size: int
    why: str
    lock: Path | None = None
    """Of who might be at work on it; None for what nobody touches."""
    node: Node | None = None
    """Whose work it is."""


@dataclass(frozen=True)
class Cache:
    artifacts: tuple[Held, ...]
    leftovers: tuple[Leftover, ...]
    notes: tuple[str, ...]
    """What could not be read, and what was kept for that."""

    @property
    def unneeded(self) -> list[Held]:
        return [held for held in self.artifacts if not held.kept_for]


@dataclass(frozen=True)
class Removed:
    paths: tuple[Path, ...]
    size: int
    skipped: tuple[str, ...]
    """What was left, with the reason."""


def look(store: Store) -> Cache:
    """Find what there is and what needs it; nothing is changed.

    Raises:
        RefusedInput: the registry cannot be asked.
    """
    workspace = store.workspace
    runs = records(workspace, limit=None)
    notes: list[str] = []
    versions = all_versions(workspace)
    needs: dict[Node, list[str]] = {}
    for label, nodes in (*_of_configs(workspace, runs, notes), *_of_runs(workspace, runs)):
        for node in nodes:
            needs.setdefault(node, []).append(label)
    folders = [path for path in sorted(workspace.artifacts.glob("*/[!.]*")) if path.is_dir()]
    manifests = {node: manifest for path in folders if (manifest := _manifest(path)) for node in [_node(path)]}
    kept_runs = {run.id for run in runs[:REMEMBERED_RUNS]}
    for version in versions:
        for node in made_from(version, manifests):
            needs.setdefault(node, []).append(f"{version.model} {version.version}")
            execution = store.execution(workspace.artifact(*node))
            kept_runs.add(execution.run if execution else "")
    held = [
        Held(
            *_node(path),
            path=path,
            size=size_of(path),
            made=(store.execution(path) or Execution()).started,
            kept_for=tuple(dict.fromkeys(needs.get(_node(path), ()))),
        )
        for path in folders
    ]
    leftovers = (*_leftovers(workspace, needs, manifests), *_old_runs(workspace, runs, kept_runs))
    return Cache(tuple(held), leftovers, tuple(notes))


def remove(workspace: Workspace, cache: Cache) -> Removed:
    """Remove what nothing needs. A kill in between leaves nothing half: the next call removes the rest."""
    removed, skipped, size = [], [], 0
    rubbish: list[Held | Leftover] = [*cache.unneeded, *cache.leftovers]
    for one in rubbish:
        node = (one.node, one.fingerprint) if isinstance(one, Held) else one.node
        lock = _lock(workspace, node) if node else one.lock if isinstance(one, Leftover) else None
        try:
            doomed = _set_aside(workspace, one.path, lock, node)
        except LockHeld as held:
            skipped.append(f"{one.path.relative_to(workspace.root)}: {held} works on it")
            continue
        if doomed is None:
            skipped.append(f"{one.path.relative_to(workspace.root)}: a run that began meanwhile uses it")
            continue
        shutil.rmtree(doomed, ignore_errors=True)
        removed.append(one.path)
        size += one.size
    workspace.sweep()
    return Removed(tuple(removed), size, tuple(skipped))


def size_of(path: Path) -> int:
    """Bytes of the files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(Path(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _set_aside(workspace: Workspace, path: Path, lock: Path | None, node: Node | None) -> Path | None:
    """Rename a folder out of the way; None if a run that is under way is going to use it, or it is gone.

    Whoever starts a run saves its plan under the same lock, before it looks for any artifact.

    Raises:
        LockHeld: somebody works on it.
    """
    with file_lock(lock, refuse_to_wait) if lock else nullcontext(), file_lock(workspace.deleting):
        for run in records(workspace) if node else ():
            if node in _nodes_of(run) and is_under_way(workspace, run):
                return None
        return set_aside(path)


def _lock(workspace: Workspace, node: Node) -> Path:
    """What a run holds while it makes an artifact."""
    return workspace.work(*node).with_name(f"{node[1]}.lock")


def _of_configs(workspace: Workspace, runs: list[RunRecord], notes: list[str]) -> Iterator[tuple[str, set[Node]]]:
    for file in sorted([*workspace.root.glob("*.yaml"), *workspace.root.glob("*.yml")]):
        if not _may_be_config(file):
            continue
        try:
            yield file.name, _planned(file)
        except RefusedInput as error:
            notes.append(f"{file.name} cannot be planned, so all that its runs used is kept: {error}")
            yield file.name, {node for run in runs if run.config_file == file.name for node in _nodes_of(run)}


def _may_be_config(file: Path) -> bool:
    """Other YAML files may lie there; one that cannot be read may be a config."""
    try:
        value = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return True
    return isinstance(value, dict) and not {"preset", *PipelineConfig.model_fields}.isdisjoint(value)


def _planned(file: Path) -> set[Node]:
    """The artifacts that a config leads to, with the input files as they are now."""
    loaded = load_checked(ConfigArguments(file, ()))
    found: set[Node] = set()

    def note(stage: Stage[P, A], part: str, /, *args: P.args, **kwargs: P.kwargs) -> A:
        node, fingerprint = node_name(stage, part), stage.fingerprint(stage.bind(*args, **kwargs))
        found.add((node, fingerprint))
        return stage.result(node=node, fingerprint=fingerprint)

    road(loaded.config, loaded.inputs, note)
    loaded.store.digests.save()
    return found


def _of_runs(workspace: Workspace, runs: list[RunRecord]) -> Iterator[tuple[str, set[Node]]]:
    for run in runs[:1]:
        yield "last run", _nodes_of(run)
    for run in runs[:REMEMBERED_RUNS]:
        if is_under_way(workspace, run):
            yield f"run {run.id}, under way", _nodes_of(run)


def _nodes_of(run: RunRecord) -> set[Node]:
    return {*run.plan.items(), *((node, entry.fingerprint) for node, entry in run.nodes.items())}


def all_versions(workspace: Workspace) -> list[Version]:
    """Of the workspace's own registry, and of the server that is configured."""
    server = os.environ.get("MLFLOW_TRACKING_URI")
    registries = []
    if (workspace.root / "mlflow.db").is_file():
        registries.append(Registry(workspace, own_address(workspace)))
    if server:
        registries.append(Registry(workspace))
    return [version for one in registries for model in _models(one) for version in one.versions(model)]


def _models(registry: Registry) -> Iterator[str]:
    token = None
    while True:
        page = registry.client.search_registered_models(page_token=token)
        yield from (model.name for model in page)
        if not (token := page.token):
            return


def made_from(version: Version, manifests: Mapping[Node, Manifest]) -> set[Node]:
    """What a version is a copy of, what judged it, and all that these were made from."""
    judged = version.tags.get("evaluation")
    waiting = [(version.node, version.fingerprint)]
    waiting += [node for node, one in manifests.items() if judged and node[0] == "evaluate" and one.digest == judged]
    found: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node in found or node not in manifests:
            continue
        found.add(node)
        waiting += [(one.node, one.fingerprint) for one in manifests[node].inputs.values()]
    return found


def _leftovers(
    workspace: Workspace, needs: Mapping[Node, Any], manifests: Mapping[Node, Manifest]
) -> Iterator[Leftover]:
    for path in sorted((workspace.root / "work").glob("*/[!.]*")):
        if not path.is_dir():
            continue
        node = _node(path)
        if node in needs and node not in manifests:
            continue  # the next run goes on from it
        yield Leftover(path, size_of(path), "work of a run that ended", node=node)
    for path in sorted(workspace.root.glob(".registering-*")):
        yield Leftover(path, size_of(path), "registration that ended", lock=workspace.promoting)
    for doomed in workspace.doomed():
        yield Leftover(doomed, size_of(doomed), "half deleted by a killed process")


def _old_runs(workspace: Workspace, runs: list[RunRecord], kept: Collection[str]) -> Iterator[Leftover]:
    for run in runs:
        if run.id not in kept and not is_under_way(workspace, run):
            for path in (workspace.runs / run.id, workspace.logs / run.id):
                if path.is_dir():
                    yield Leftover(path, size_of(path), f"older than the last {REMEMBERED_RUNS} runs")


def _node(path: Path) -> Node:
    return path.parent.name, path.name


def _manifest(path: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
