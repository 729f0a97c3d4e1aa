"""A run that is stopped within each node, and between each and the next: a rerun ends with the same bytes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.arguments import ConfigArguments
from flows.prepare import load_checked
from flows.running import Outcome, Selection, prepare, run_road
from tasks.runtime.artifact import Artifact
from tasks.runtime.execution import Session
from tasks.runtime.runs import NodeRecord
from tasks.runtime.stage import Call, Stage, node_name
from tests.e2e.conftest import Road
from tests.e2e.test_road import tracked
from tests.e2e.workspace import NODES, Textmill, clone

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Stopping:
    """An observer that stops this run as Ctrl-C and a cancel in Prefect do: by an exception in the main thread."""

    node: str = ""
    within: bool = False
    """As soon as the node's process is there; else when the node is done."""
    ran: list[str] = field(default_factory=list)

    def started(self, node: str, _: str) -> None:
        if node == self.node and self.within:
            threading.Thread(target=interrupt_once_a_child_works, daemon=True).start()

    def finished(self, node: str, _: Artifact, record: NodeRecord) -> None:
        if record.action == "ran":
            self.ran.append(node)
        if node == self.node and record.action == "ran" and not self.within:
            raise KeyboardInterrupt

    def progress(self, *_: object) -> None: ...
    def waiting(self, *_: object) -> None: ...
    def said(self, *_: object) -> None: ...
    def missed(self, *_: object) -> None: ...
    def failed(self, *_: object) -> None: ...


def interrupt_once_a_child_works() -> None:
    while not any(thread.name.startswith("sampler-") for thread in threading.enumerate()):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def children(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def plainly(session: Session) -> Call:
    def call(stage: Stage[Any, Any], part: str, /, *args: Any, **kwargs: Any) -> Any:
        return session.obtain(stage, node_name(stage, part), stage.bind(*args, **kwargs))

    return call


def walk(root: Path, observer: Stopping) -> Outcome:
    loaded = load_checked(ConfigArguments(root / "textmill.yaml", ()))
    return run_road(loaded, prepare(loaded, Selection()), Selection(), observer, plainly)


@pytest.fixture
def as_on_a_terminal(road: Road, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setenv("TEXTMILL_LEASES", road.textmill.environment["TEXTMILL_LEASES"])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    return lambda: signal.signal(signal.SIGINT, before) and None


def test_stopped_at_each_node(
    road: Road, plain: Textmill, tmp_path: Path, as_on_a_terminal: Callable[[], None]
) -> None:
    textmill = clone(plain, tmp_path / "workspace")
    try:
        for node in NODES:
            with pytest.raises(KeyboardInterrupt):
                walk(textmill.root, Stopping(node, within=True))
            assert textmill.artifacts(node) == []
            assert children(psutil.Process()) == []
            observer = Stopping(node)
            with pytest.raises(KeyboardInterrupt):
                walk(textmill.root, observer)
            assert observer.ran == [node]
            assert len(textmill.artifacts(node)) == 1
        last = Stopping()
        outcome = walk(textmill.root, last)
    finally:
        as_on_a_terminal()
    assert last.ran == []
    made = {node: record.digest for node, record in outcome.record.nodes.items()}
    assert made == {node["name"]: node["digest"] for node in road.report["nodes"]}
    assert outcome.promotion is not None
    assert outcome.promotion.promoted
    assert "RUNNING" not in tracked(textmill.root)
    left = [path for path in (textmill.root / "work").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []
