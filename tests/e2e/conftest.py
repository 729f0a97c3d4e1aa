"""One tiny workspace whose road has been run once by the command line, with its own Prefect server and MLflow."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.workspace import CONFIG, Done, Textmill, clone, write_base, write_data


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the road that has been run goes to one worker, which runs it once."""
    for item in items:
        if isinstance(item, pytest.Function) and "road" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("e2e"))
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(600))  # on a busy machine; about 60 s of it when idle


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
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which nothing has run: data, base model, config."""
    root = tmp_path_factory.mktemp("e2e") / "raw"
    write_data(root / "data")
    write_base(root / "base")
    (root / "textmill.yaml").write_text(CONFIG)
    return root


@pytest.fixture(scope="session")
def plain(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Textmill:
    """The command line in that workspace, for what starts no server; its leases are its own."""
    return Textmill(raw, {"TEXTMILL_LEASES": str(tmp_path_factory.mktemp("leases"))})


@pytest.fixture(scope="session")
def road(plain: Textmill, raw: Path) -> Iterator[Road]:
    """Never changed by a test: whoever changes something takes a copy (`copy`)."""
    textmill = clone(plain, raw.parent / "road")
    try:
        with usual_port_in_use():
            yield Road(textmill, textmill.plan(), textmill("run", "--json"))
    finally:
        textmill("server", "stop")


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
    url = road.textmill("server", "status", "--json").json["api_url"]
    assert isinstance(url, str)
    return url


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
