"""One real Prefect server for the whole session, in a workspace of its own; the tests end what they start."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.operation.server import ServerRecord, start_server, stop_server
from tasks.runtime.workspace import Workspace


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def standing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, ServerRecord]]:
    workspace = Workspace(tmp_path_factory.mktemp("standing"))
    server = start_server(workspace, started_by="person", port=free_port())
    yield workspace, server
    if "prefect" in sys.modules:  # what this process has still to send would be tried again for minutes
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        EventsWorker.drain_all(timeout=20)
        APILogWorker.drain_all(timeout=20)
    stop_server(workspace)


@pytest.fixture
def make_workspace(
    tmp_path: Path, standing_server: tuple[Workspace, ServerRecord]
) -> Iterator[Callable[[str], Workspace]]:
    """`make_workspace(name)`: one whose database is set up already (a start takes a third); its server ends with it."""
    made: list[Workspace] = []

    def make(name: str = "workspace") -> Workspace:
        workspace = Workspace(tmp_path / name)
        workspace.prefect_home.mkdir(parents=True)
        with (
            sqlite3.connect(standing_server[0].prefect_home / "prefect.db") as source,
            sqlite3.connect(workspace.prefect_home / "prefect.db") as target,
        ):
            source.backup(target)
        shutil.copy(standing_server[0].prefect_home / "memo_store.toml", workspace.prefect_home)
        made.append(workspace)
        return workspace

    yield make
    for workspace in made:
        stop_server(workspace)
