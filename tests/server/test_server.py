"""The workspace's Prefect server, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.__main__ import main
from flows.operation.server import (
    ServerRecord,
    ensure_server,
    folder_id,
    lives,
    read_record,
    standing,
    start_server,
    stop_server,
    write_record,
)
from tasks.runtime.processes import start_time
from tasks.runtime.workspace import Workspace

Make = Callable[..., Workspace]
Standing = tuple[Workspace, ServerRecord]


@pytest.fixture(autouse=True)
def no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def record(workspace: Workspace, pid: int, started: str) -> ServerRecord:
    return ServerRecord(pid=pid, started=started, workspace=folder_id(workspace), port=1, log="", started_by="run")


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


ENSURE = """
import sys, time
from pathlib import Path
from flows.operation.server import ensure_server
from tasks.runtime.workspace import Workspace
began = time.monotonic()
print(ensure_server(Workspace(Path(sys.argv[1])), print), time.monotonic() - began, "prefect" in sys.modules)
"""


def test_a_standing_server_is_found_in_a_moment(standing_server: Standing) -> None:
    workspace, server = standing_server
    command = [sys.executable, "-c", ENSURE, str(workspace.root)]
    url, seconds, imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert (url, imported) == (server.api_url, "False")
    assert float(seconds) < 0.1


def test_a_configured_server_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere:4200/api")
    assert ensure_server(Workspace(tmp_path), pytest.fail) == "http://elsewhere:4200/api"
    assert not list(tmp_path.iterdir())


def test_the_command_line(standing_server: Standing, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    workspace, server = standing_server
    assert main(["server", "status", "--json", "--workspace", str(workspace.root)]) == 0
    assert json.loads(capsys.readouterr().out) | {"pid": server.pid, "running": True, "url": server.url}
    assert main(["server", "status", "--workspace", str(workspace.root)]) == 0
    told = capsys.readouterr().out
    assert server.url in told
    assert "MLflow and the worker do not run. Start them: textmill server start" in told
    assert main(["server", "stop", "--json", "--workspace", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False, "stopped": []}
    assert main(["server", "status", "--workspace", str(tmp_path / "nowhere")]) == 2
    assert lives(server)


def test_a_record_of_another_process_is_stale(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    other = subprocess.Popen(["sleep", "60"])
    try:
        started = f"{int(start_time(other.pid).partition('@')[0]) - 1}@{start_time(other.pid).partition('@')[2]}"
        write_record(workspace, record(workspace, other.pid, started))
        assert standing(workspace) is None
        assert stop_server(workspace) is None
        assert other.poll() is None  # a number used again is not our process
    finally:
        other.kill()
        other.wait()
    assert start_time(other.pid) == ""


def test_a_copy_does_not_take_the_original_s_server_for_its_own(standing_server: Standing, tmp_path: Path) -> None:
    workspace, server = standing_server
    copy = Workspace(tmp_path / "copy")
    copy.root.mkdir()
    shutil.copy(workspace.root / "server.json", copy.root)
    assert read_record(copy) is None
    assert standing(copy) is None
    assert stop_server(copy) is None
    assert lives(server)


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]"])
def test_an_unreadable_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert standing(Workspace(tmp_path)) is None


@pytest.mark.slow
def test_two_starts_at_once_give_one_server_on_a_free_port(make_workspace: Make) -> None:
    workspace = make_workspace()
    write_record(workspace, record(workspace, 2**22 - 1, "0@x"))  # stale
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = (
            "import sys; from pathlib import Path; from flows.operation.server import *\n"
            "from tasks.runtime.workspace import Workspace\n"
            "print(start_server(Workspace(Path(sys.argv[1])), started_by='run', port=int(sys.argv[2])).pid)"
        )
        command = [sys.executable, "-c", code, str(workspace.root), str(port)]
        starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        pids = {start.communicate(timeout=60)[0] for start in starts}
        server = standing(workspace)
        assert server is not None
        assert pids == {f"{server.pid}\n"}
        assert server.port != port
    again = start_server(workspace, started_by="person")
    assert (again.pid, again.started_by) == (server.pid, "person")  # it is to stay now
    assert stop_server(workspace) == again
    assert not lives(again)
    assert read_record(workspace) is None
    assert stop_server(workspace) is None


@pytest.mark.slow
def test_it_ends_itself(make_workspace: Make) -> None:
    """When it was idle for its time, but not while it is used; and when its workspace is gone."""
    workspace = make_workspace()
    use = (
        "import sys, time; from pathlib import Path; from flows.operation.server import *\n"
        "from tasks.runtime.workspace import Workspace\n"
        "use_server(Workspace(Path(sys.argv[1]))); print('uses', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", use, str(workspace.root)], stdout=subprocess.PIPE)
    try:
        assert user.stdout is not None
        assert user.stdout.readline() == b"uses\n"
        server = start_server(workspace, started_by="run", idle_seconds=2, port=4290)
        time.sleep(5)
        assert lives(server)
    finally:
        user.kill()
        user.wait()
    wait_for(lambda: not lives(server))
    assert read_record(workspace) is None
    server = start_server(workspace, started_by="person", idle_seconds=0, port=4290)
    time.sleep(2)
    assert lives(server)  # idle or not: a person started it
    shutil.rmtree(workspace.root)
    wait_for(lambda: not lives(server))


@pytest.mark.slow
def test_a_killed_server_is_replaced(make_workspace: Make) -> None:
    workspace = make_workspace()
    first = start_server(workspace, started_by="run", port=4290)
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: not lives(first))
    assert standing(workspace) is None
    said: list[str] = []
    assert ensure_server(workspace, said.append).startswith("http://127.0.0.1:")
    assert len(said) == 1
    assert standing(workspace) not in (None, first)


@pytest.mark.slow
def test_schedules_are_kept(standing_server: Standing) -> None:
    """The scheduler of a server whose database library does not fit makes no runs, and says nothing."""
    from datetime import timedelta

    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.schedules import IntervalSchedule
    from prefect.settings import PREFECT_API_URL, temporary_settings

    @flow
    def nothing() -> None: ...

    with (
        temporary_settings({PREFECT_API_URL: standing_server[1].api_url}),
        get_client(sync_client=True) as client,
    ):
        schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(minutes=10)), active=True)
        flow_id = client.create_flow(nothing)
        deployment = client.create_deployment(flow_id=flow_id, name="scheduled", schedules=[schedule])
        mine = FlowRunFilter.model_validate({"deployment_id": {"any_": [deployment]}})
        wait_for(lambda: client.read_flow_runs(flow_run_filter=mine), 60)
        runs = client.read_flow_runs(flow_run_filter=mine)
        client.delete_deployment(deployment)
    assert all(run.auto_scheduled for run in runs)
    assert all(run.state is not None and run.state.is_scheduled() for run in runs)
