"""Obtain the artifact of a node: reuse it, or lock, lease, work in a child, and publish."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tasks.runtime.artifact import Artifact, InputFiles, InputRecord, artifacts_in
from tasks.runtime.child import run_child
from tasks.runtime.errors import StageFailed, TextmillError
from tasks.runtime.lease import lease, need_of
from tasks.runtime.planning import selects
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import DigestMemory, file_lock, remove_tree

A = TypeVar("A", bound=Artifact)


class Observer(Protocol):
    """Who is told how a run goes (the terminal, a log)."""

    def started(self, node: str, reason: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, note: str) -> None: ...
    def waiting(self, node: str, what: str) -> None: ...
    def said(self, node: str, line: str) -> None: ...  # by its process, and so in its log
    def missed(self, node: str, what: str) -> None: ...  # beside the artifact, which is whole
    def finished(self, node: str, artifact: Artifact, record: NodeRecord) -> None: ...
    def failed(self, node: str, message: str) -> None: ...


class NodeRun(Protocol):
    """The tracking run of one node that runs."""

    run_id: str
    lost: str
    """Why not all of it was tracked; empty if it was."""

    def watch(self, pid: int) -> None: ...
    def metrics(self, points: list[tuple[str, float, int | None]]) -> None: ...
    def finished(self, artifact: Artifact) -> None: ...
    def failed(self, message: str) -> None: ...
    def killed(self) -> None: ...


class Tracker(Protocol):
    """Where runs are tracked: MLflow (`tasks.runtime.tracking`)."""

    def node_started(self, node: str, config: dict[str, Any], inputs: Mapping[str, InputRecord]) -> NodeRun: ...
    def node_reused(self, artifact: Artifact, original_run_id: str) -> None: ...


@dataclass
class Session:
    """One run of the road: what every node of it shares."""

    store: Store
    settings: Settings
    observer: Observer
    tracker: Tracker
    record: RunRecord
    force: Collection[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why the nodes run that the plan knew would run."""

    def obtain(self, stage: Stage[Any, A], node: str, arguments: dict[str, Any]) -> A:
        """Return the artifact of a node, made now or reused."""
        fingerprint = stage.fingerprint(arguments)
        work = self.store.workspace.work(node, fingerprint)
        lock = work.with_name(f"{fingerprint}.lock")
        with file_lock(lock, lambda holder: self.observer.waiting(node, f"{holder}, which works on the same node")):
            finding = self.store.find(stage, node, arguments)
            if finding.artifact is not None and not selects(self.force, node):
                artifact = stage.result.model_validate(finding.artifact.model_dump())
                remove_tree(work)  # of a run that was killed between publishing and tidying up
                self.note_reuse(artifact)
                return artifact
            try:
                return self._make(stage, node, arguments, self.reasons.get(node) or finding.reason)
            except TextmillError as error:
                self.observer.failed(node, str(error))
                raise

    def note_reuse(self, artifact: Artifact) -> None:
        """Record that a node was reused; harmless if it is already on record."""
        if artifact.node in self.record.nodes:
            return
        execution = self.store.execution(artifact.path) or Execution()
        self.tracker.node_reused(artifact, execution.mlflow_run_id)
        self._note(
            artifact,
            NodeRecord(
                fingerprint=artifact.fingerprint,
                digest=artifact.digest,
                action="reused",
                seconds=execution.seconds,
                memory_bytes=execution.memory_bytes,
                disk_bytes=execution.disk_bytes,
                run=execution.run,
            ),
        )

    def _make(self, stage: Stage[Any, A], node: str, arguments: dict[str, Any], reason: str) -> A:
        work = self.store.workspace.work(node, stage.fingerprint(arguments))
        out, keep = work / "out", work / "keep"
        remove_tree(out)  # half an artifact of a run that was killed
        out.mkdir(parents=True)
        keep.mkdir(exist_ok=True)
        recipe = stage.recipe(node, arguments)
        afresh = not stage.incremental or selects(self.force, node)
        earlier = None if afresh else self.store.earlier(recipe)
        job = stage.job(node, arguments, out, keep, earlier)
        measured: dict[str, float] = {}
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with lease(
            need_of(stage, self.settings),
            self.settings,
            node=node,
            workspace=str(self.store.workspace.root),
            waiting=lambda holders: self.observer.waiting(node, ", ".join(map(str, holders))),
        ) as grant:
            self.observer.started(node, reason)
            inputs = _InputStamps.of(arguments, self.store.digests)
            run = self.tracker.node_started(node, recipe.config, recipe.inputs)
            curves: dict[str, list[tuple[int, float]]] = {}
            events = _Events(self.observer, node, run, measured, curves)
            try:
                finished = run_child(
                    job,
                    environment={**self.store.workspace.environment(), **grant.environment},
                    log=self.store.workspace.logs / self.record.id / f"{node}.log",
                    on_event=events,
                    inherit=grant.file_descriptors,
                    on_start=run.watch,
                )
                events.flush()
                inputs.check()
                made = stage.result(node=node, fingerprint=job.fingerprint, digest=finished.digest, path=out)
                execution = Execution(
                    run=self.record.id,
                    mlflow_run_id=run.run_id,
                    started=started,
                    seconds=finished.seconds,
                    cpu_seconds=finished.cpu_seconds,
                    memory_bytes=finished.memory_bytes,
                    disk_bytes=sum(file.size for file in made.manifest.files.values()),
                    host=platform.node(),
                    versions=_versions(),
                    measured=measured,
                    curves=curves,
                )
                artifact, compared = self.store.publish(made, execution)
                run.finished(artifact)
                if run.lost:
                    why = " ".join(run.lost.partition("\n")[0].split())[:200]
                    self.observer.missed(node, f"MLflow's page of it is not complete: {why}")
            except TextmillError as error:
                run.failed(str(error))
                raise
            except BaseException:
                run.killed()
                raise
        remove_tree(work)
        self._note(
            artifact,
            NodeRecord(
                fingerprint=artifact.fingerprint,
                digest=artifact.digest,
                action="ran",
                reason=reason,
                seconds=finished.seconds,
                memory_bytes=finished.memory_bytes,
                disk_bytes=execution.disk_bytes,
                compared=compared,
                run=self.record.id,
            ),
        )
        return artifact

    def _note(self, artifact: Artifact, node_record: NodeRecord) -> None:
        self.record.nodes[artifact.node] = node_record
        self.record.save(self.store.workspace)
        self.observer.finished(artifact.node, artifact, node_record)


class _Events:
    """Passes a child's events on; metrics go out in batches, since each call to the tracking store costs time."""

    def __init__(
        self,
        observer: Observer,
        node: str,
        run: NodeRun,
        measured: dict[str, float],
        curves: dict[str, list[tuple[int, float]]],
    ) -> None:
        self._observer, self._node, self._run, self._measured, self._curves = observer, node, run, measured, curves
        self._points: list[tuple[str, float, int | None]] = []
        self._flushed = time.monotonic()

    def __call__(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "metric":
                self._points.append((event["name"], event["value"], event["step"]))
                if event["step"] is not None:
                    self._curves.setdefault(event["name"], []).append((event["step"], event["value"]))
            case "measured":
                self._measured[event["name"]] = event["value"]
                self._points.append((event["name"], event["value"], None))
            case "progress":
                self._observer.progress(self._node, event["done"], event["total"], event["unit"], event["note"])
            case "say":
                self._observer.said(self._node, event["message"])
        if len(self._points) >= 500 or time.monotonic() - self._flushed > 2:
            self.flush()

    def flush(self) -> None:
        if self._points:
            self._run.metrics(self._points)
        self._points, self._flushed = [], time.monotonic()


@dataclass(frozen=True)
class _InputStamps:
    """The user's files as they were when a stage began: what is read must be what the fingerprint names."""

    stamps: Mapping[Path, tuple[str, tuple[int, ...]]]
    """By file: its name, and size, times and inode."""

    @staticmethod
    def of(arguments: dict[str, Any], digests: DigestMemory) -> _InputStamps:
        """Raises: StageFailed for a file that is no longer the one that the run was planned with."""
        stamps = {}
        for _, artifact in artifacts_in(arguments):
            for file in artifact.files if isinstance(artifact, InputFiles) else ():
                stamps[file.path] = (file.name, _stamp(file.path))
                if not file.path.exists() or digests.sha256(file.path)[0] != file.sha256:
                    raise _changed(file.name)
        return _InputStamps(stamps)

    def check(self) -> None:
        for path, (name, stamp) in self.stamps.items():
            if _stamp(path) != stamp:
                raise _changed(name)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def _changed(name: str) -> StageFailed:
    return StageFailed(
        f"file {name} was changed while this run was under way, so nothing made of it is kept. Run again."
    )


@cache
def _versions() -> dict[str, str]:
    names = ("textmill", "torch", "transformers", "tokenizers", "datasets", "numpy", "pyarrow", "onnxruntime")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}
