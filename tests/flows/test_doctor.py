"""What `textmill doctor` says of ports, servers and leftovers."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows.commands import doctor
from flows.operation import server
from flows.running import run_road
from tasks.runtime.artifact import EXECUTION, MANIFEST
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import Workspace, remove_tree


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_the_usual_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    port = port_of(taken)
    monkeypatch.setattr(server, "USUAL_PORT", port)
    finding = doctor._port(tmp_path)
    assert finding.good
    assert f"port {port} is in use by another program: another port is taken" in finding.has
    taken.close()
    assert f"port {port} is free" in doctor._port(tmp_path).has


def test_the_port_of_this_workspaces_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = server.ServerRecord(pid=1, started="", workspace="", port=4321, log="", started_by="run")
    monkeypatch.setattr(server, "standing", lambda workspace: record if workspace.root == tmp_path else None)
    assert doctor._port(tmp_path).has == "this workspace's stands: http://127.0.0.1:4321"


def test_servers_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    port = port_of(taken)
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    found = list(doctor._addresses())
    assert [(one.what, one.good) for one in found] == [("PREFECT_API_URL", True), ("MLFLOW_TRACKING_URI", True)]
    assert "secret" not in str(found)
    taken.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////some/mlflow.db")
    prefect, mlflow = doctor._addresses()
    assert (prefect.good, mlflow.good) == (False, True)
    assert "cannot be reached" in prefect.has
    assert "unset it" in prefect.remedy
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:many/api")
    assert not next(doctor._addresses()).good
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not list(doctor._addresses())


def test_both_are_lines_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: socket.socket
) -> None:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)

    def lines() -> list[str]:
        doctor.run(parser.parse_args(["--no-timing", "--json"]))
        return [finding["what"] for finding in json.loads(capsys.readouterr().out)["findings"]]

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "Prefect server" in lines()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port_of(taken)}/api")
    assert "PREFECT_API_URL" in lines()
    assert "Prefect server" not in lines()  # none is started


def test_modules_of_the_current_folder_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        return subprocess.CompletedProcess(
            command, 0, json.dumps({"fp32_seconds": 1, "bf16_seconds": 2, "device": "cpu"})
        )

    monkeypatch.setattr(subprocess, "run", run)
    assert doctor._precision().good
    assert seen[0][:2] == [sys.executable, "-P"]


def test_what_is_being_deleted_is_no_artifact(tmp_path: Path) -> None:
    store = Store(Workspace(tmp_path))
    for name, started in ((".doomed-abc-1-2", "2030"), ("abc", "2020")):
        folder = store.workspace.artifacts / "clean" / name
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}")
        (folder / EXECUTION).write_text(Execution(started=started).model_dump_json())
    findings = list(doctor._verify(store))
    assert [finding.has for finding in findings] == ["clean/abc: damaged: manifest.json", "0 of 1 are intact"]
    last = store.last_execution("clean")
    assert last is not None
    assert last.started == "2020"


def test_a_run_begins_by_deleting_what_the_dead_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed within `remove_tree` leaves the folder; one that lives still works on its own."""
    program = (
        "import os, shutil, sys\nfrom pathlib import Path\nfrom tasks.runtime.workspace import remove_tree\n"
        "shutil.rmtree = lambda *_, **__: None\nfor name in sys.argv[1:]: remove_tree(Path(name))\n"
    )
    workspace = Workspace(tmp_path)
    paths = [workspace.artifact("clean", "f"), workspace.work("clean", "f"), workspace.work("pack", "g") / "out"]
    for path in paths:
        path.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", program, *map(str, paths)], check=True, cwd=Path(__file__).parents[2])
    alive = workspace.artifact("clean", "other")
    alive.mkdir()
    with monkeypatch.context() as context:
        context.setattr("shutil.rmtree", lambda *_, **__: None)
        remove_tree(alive)
    assert len(list(tmp_path.rglob(".doomed-*"))) == 4
    workspace.sweep()
    (left,) = tmp_path.rglob(".doomed-*")
    assert left.name.startswith(".doomed-other-")


def test_run_road_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Swept(Exception):
        pass

    def sweep(workspace: Workspace) -> None:
        assert workspace.root == tmp_path
        raise Swept

    monkeypatch.setattr(Workspace, "sweep", sweep)
    monkeypatch.setitem(sys.modules, "tasks.runtime.tracking", SimpleNamespace(Tracking=None))  # MLflow takes seconds
    loaded: Any = SimpleNamespace(store=Store(Workspace(tmp_path)))
    with pytest.raises(Swept):
        run_road(loaded, *cast("Any", (None, None, None, None)))
