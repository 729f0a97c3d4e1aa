"""One tiny workspace whose road has been run once by the command line, with its own Prefect server and MLflow."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.operation.server import start_server
from tasks.runtime.workspace import Workspace, file_lock
from tests.e2e.workspace import CONFIG, Done, Textmill, clone, write_base, write_data
from tests.promotion.shop import mlflow_template, shop, task_models  # noqa: F401  # fixtures, found by name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "road" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
            item.add_marker(
                pytest.mark.timeout(1200)
            )  # the first of them runs the road, which a busy machine is slow at


@dataclass(frozen=True)
class Road:
    textmill: Textmill
    planned: dict[str, tuple[str, str]]
    """What `plan` said before anything had run."""
    first: Done
    """The first run."""

    @property
    def report(self) -> dict[str, Any]:
        return self.first.json

    @property
    def root(self) -> Path:
        return self.textmill.root


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist see."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "e2e"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def raw(shared: Path) -> Path:
    """A workspace in which nothing has run: data, base model, config."""
    root = shared / "raw"
    with file_lock(shared / "raw.lock"):
        if not root.exists():
            write_data(root / "data")
            write_base(root / "base")
            (root / "textmill.yaml").write_text(CONFIG)
    return root


@pytest.fixture(scope="session")
def plain(raw: Path, shared: Path) -> Textmill:
    """The command line in that workspace, for what starts no server; its leases are its own."""
    return Textmill(raw, {"TEXTMILL_LEASES": str(shared / "leases")})


@pytest.fixture(scope="session")
def road(plain: Textmill, shared: Path) -> Iterator[Road]:
    """Never changed by a test: whoever changes something takes a copy (`copy`). The last worker stops its server."""
    made = shared / "road.json"
    with (shared / "road.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with file_lock(shared / "road.lock"):
            if not made.exists():
                textmill = clone(plain, shared / "road")
                with usual_port_in_use():
                    planned, first = textmill.plan(), textmill("run", "--json", code=None)
                made.write_text(json.dumps([planned, vars(first)]))
        planned, first = json.loads(made.read_text())
        known = Road(
            Textmill(shared / "road", plain.environment),
            {node: (action, reason) for node, (action, reason) in planned.items()},
            Done(**first),
        )
        assert known.first.code == 0, known.first.said
        yield known
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        known.textmill("server", "stop")


@contextmanager
def usual_port_in_use() -> Iterator[None]:
    """By us, unless it is already."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            taken.bind(("127.0.0.1", 4200))
            taken.listen()
        yield


@pytest.fixture(scope="session")
def server(road: Road) -> str:
    """The API of the standing server, for workspaces that need none of their own."""
    return start_server(Workspace(road.root), started_by="person").api_url


@pytest.fixture
def copy(road: Road, server: str, tmp_path: Path) -> Textmill:
    """A copy of the workspace in which the road has been run."""
    return clone(road.textmill, tmp_path / "copy").with_environment(PREFECT_API_URL=server)


@pytest.fixture
def fresh(plain: Textmill, server: str, tmp_path: Path) -> Callable[[str], Textmill]:
    """`fresh(name)`: a workspace in which nothing has run, on the standing server."""

    def make(name: str = "fresh") -> Textmill:
        return clone(plain, tmp_path / name).with_environment(PREFECT_API_URL=server)

    return make
