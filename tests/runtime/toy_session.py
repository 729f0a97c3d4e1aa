"""A session over a workspace, with an observer and a tracker that only remember."""

# ruff: noqa: ARG002  # they must take what the protocols say

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import Artifact, InputRecord
from tasks.runtime.execution import Session
from tasks.runtime.planning import Planner
from tasks.runtime.runs import NodeRecord, new_run
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Call, node_name
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace
from tests.runtime import toy


@dataclass
class Memory:
    """Observer and tracker in one."""

    seen: list[tuple[str, ...]] = field(default_factory=list)

    def started(self, node: str, reason: str) -> None:
        self.seen.append(("started", node, reason))

    def progress(self, node: str, done: float, total: float, unit: str, note: str) -> None: ...

    def waiting(self, node: str, what: str) -> None:
        self.seen.append(("waiting", node, what))

    def said(self, node: str, line: str) -> None: ...

    def missed(self, node: str, what: str) -> None:
        self.seen.append(("missed", node, what))

    def finished(self, node: str, artifact: Artifact, record: NodeRecord) -> None:
        self.seen.append((record.action, node, record.compared))

    def failed(self, node: str, message: str) -> None:
        self.seen.append(("failed", node, message))

    def node_started(self, node: str, config: dict[str, Any], inputs: Mapping[str, InputRecord]) -> Run:
        return Run(self, node)

    def node_reused(self, artifact: Artifact, original_run_id: str) -> None:
        self.seen.append(("tracked as reused", artifact.node, original_run_id))


@dataclass
class Run:
    memory: Memory
    run_id: str
    lost: str = ""

    def watch(self, pid: int) -> None: ...

    def metrics(self, points: list[tuple[str, float, int | None]]) -> None:
        self.memory.seen += [("metric", self.run_id, name) for name, _, _ in points]

    def finished(self, artifact: Artifact) -> None:
        self.memory.seen.append(("tracked as finished", self.run_id))

    def failed(self, message: str) -> None:
        self.memory.seen.append(("tracked as failed", self.run_id))

    def killed(self) -> None:
        self.memory.seen.append(("tracked as killed", self.run_id))


@dataclass(frozen=True)
class Road:
    """copy.a and copy.b of files, then join."""

    root: Path
    a: toy.CopyConfig = toy.CopyConfig()
    b: toy.CopyConfig = toy.CopyConfig(repeat=2)
    join: toy.JoinConfig = toy.JoinConfig()

    def walk(self, call: Call) -> toy.Text:
        one = call(toy.copy, "a", self.a, toy.input_files(self.root / "a.txt"))
        two = call(toy.copy, "b", self.b, toy.input_files(self.root / "b.txt"))
        return call(toy.join, "", self.join, one, {"two": two})

    def plan(self, force: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        planner = Planner(Store(Workspace(self.root)), force)
        self.walk(planner)
        return {node.node: (node.action, node.reason) for node in planner.nodes}

    def run(self, force: Collection[str] = (), settings: Settings | None = None) -> tuple[toy.Text, list[str], Memory]:
        """Return the last artifact, the nodes that ran, and what was seen."""
        session, memory = self.session(force, settings)
        last = self.walk(call_of(session))
        return last, [seen[1] for seen in memory.seen if seen[0] == "ran"], memory

    def session(
        self, force: Collection[str] = (), settings: Settings | None = None, reasons: Mapping[str, str] | None = None
    ) -> tuple[Session, Memory]:
        workspace, memory = Workspace(self.root), Memory()
        record = new_run(workspace, self.root / "toy.yaml", ())
        settings = settings or Settings(leases=str(self.root / "leases"))
        return Session(Store(workspace), settings, memory, memory, record, force, reasons or {}), memory


def call_of(session: Session) -> Call:
    def call(stage: Any, part: str, /, *args: Any, **kwargs: Any) -> Any:
        return session.obtain(stage, node_name(stage, part), stage.bind(*args, **kwargs))

    return call


def new_road(root: Path, **configs: Any) -> Road:
    root.mkdir(parents=True, exist_ok=True)
    (root / "a.txt").write_text("A")
    (root / "b.txt").write_text("B")
    return Road(root, **configs)
