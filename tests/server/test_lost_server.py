"""A server that is killed under a run: the run goes on, or ends with a sentence. It never hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.operation.server import read_record, start_server
from tasks.runtime.workspace import Workspace

RUN = """
import os, signal, sys
from pathlib import Path
from flows.operation.prefect_client import connect, server_needed
from flows.operation.server import read_record
from tasks.runtime.errors import TextmillError
from tasks.runtime.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
connect(workspace, print)
from prefect import flow, task

@task
def node(number):
    if number == 1:
        os.kill(int(sys.argv[2]), signal.SIGKILL)
    print("node", number)

@flow
def road():
    for number in range(4):
        node(number)

try:
    with server_needed():
        road()
except TextmillError as error:
    print("textmill:", error)
    sys.exit(error.exit_code)
print("done")
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def run(workspace: Workspace, **environment: str) -> subprocess.CompletedProcess[str]:
    server = read_record(workspace)
    assert server is not None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-c", RUN, str(workspace.root), str(server.pid)],
        capture_output=True,
        text=True,
        timeout=150,
        env=kept | environment,
        check=False,
    )


def test_the_workspace_s_own_server_is_started_again(make_workspace: Callable[[str], Workspace]) -> None:
    workspace = make_workspace("own")
    server = start_server(workspace, started_by="run", port=4291)
    done = run(workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    assert f"was started again: {server.url}" in done.stdout
    assert done.stderr == ""
    again = read_record(workspace)
    assert again is not None
    assert (again.port, again.pid != server.pid) == (server.port, True)
    assert "Finished in state Completed" in (Path(workspace.logs) / "prefect.log").read_text()


def test_another_s_server_is_not(make_workspace: Callable[[str], Workspace]) -> None:
    workspace = make_workspace("another")
    server = start_server(workspace, started_by="run", port=4292)
    done = run(workspace, PREFECT_API_URL=server.api_url, PREFECT_CLIENT_MAX_RETRIES="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        f"textmill: The Prefect server at {server.api_url} no longer answers"
    )
    assert "Traceback" not in done.stdout + done.stderr
