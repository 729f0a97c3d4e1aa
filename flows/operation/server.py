"""The Prefect server of a workspace: start, find, stop. One background process, reused by every run.

`server.json` in the workspace names it: process id, start time of that process (so that a number used again by
another process is not taken for it), port, log, and the workspace itself (so that a copy of it does not take the
original's server for its own). The server writes the record when it has its port and removes it when it ends
(`flows.operation.server_process`). Nothing here imports Prefect: finding a standing server costs milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.runtime.errors import StageFailed
from tasks.runtime.processes import start_time
from tasks.runtime.workspace import Workspace, file_lock, write_atomically

HOST = "127.0.0.1"
USUAL_PORT = 4200
START_SECONDS = 120.0
STOP_SECONDS = 10.0
SLOW_SECONDS = 30.0
IDLE_SECONDS = 1800.0

StartedBy = Literal["run", "person"]


class ProcessId(BaseModel):
    """A process that no later one can be taken for."""

    model_config = ConfigDict(frozen=True)
    pid: int
    started: str
    """`start_time` of the process."""

    @staticmethod
    def own() -> ProcessId:
        return ProcessId(pid=os.getpid(), started=start_time(os.getpid()))


_in_use: dict[Path, int] = {}
"""Descriptors that hold the shared lock of workspaces whose server this process uses, until it ends."""


class ServerRecord(ProcessId):
    """What `server.json` says."""

    workspace: str
    """Which folder it is (`folder_id`)."""
    port: int
    log: str
    """Relative to the workspace."""
    started_by: StartedBy
    keeper: ProcessId | None = None
    """The supervisor of `textmill server start`, with which the server ends once no run uses it."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"


def ensure_server(workspace: Workspace, say: Callable[[str], None]) -> str:
    """Return the address of the API that this run is to use; start the workspace's server if none stands.

    `PREFECT_API_URL`, where set, is that address, and nothing is started. `say` gets at most one line.
    """
    if given := os.environ.get("PREFECT_API_URL"):
        return given
    use_server(workspace)
    server = standing(workspace)
    if server is None:
        began = time.monotonic()
        server = start_server(workspace, started_by="run")
        say(f"Started a Prefect server for this workspace in {time.monotonic() - began:.0f} s: {server.url}")
    return server.api_url


def standing(workspace: Workspace) -> ServerRecord | None:
    """The workspace's server, if it lives and answers."""
    server = read_record(workspace)
    return server if server and lives(server) and _answers(server) else None


def start_server(
    workspace: Workspace,
    *,
    started_by: StartedBy,
    port: int = USUAL_PORT,
    idle_seconds: float = IDLE_SECONDS,
    keeper: ProcessId | None = None,
) -> ServerRecord:
    """Start the server unless it stands, and wait until it answers. Of two starts at once, one waits for the other.

    Args:
        started_by: what `run` started ends itself after `idle_seconds` without use.
        port: the port to prefer; another is taken if it is in use.
        keeper: the process that keeps it up, where there is one.

    Raises:
        StageFailed: if no server came up.
    """
    workspace.prefect_home.mkdir(parents=True, exist_ok=True)
    with file_lock(workspace.prefect_home / "start.lock"):
        server = read_record(workspace)
        if server and lives(server):
            if _answers(server, SLOW_SECONDS):
                wanted: dict[str, object] = {"started_by": started_by} if started_by == "person" else {}
                wanted |= {"keeper": keeper} if keeper else {}
                if any(getattr(server, name) != value for name, value in wanted.items()):  # it is to stay now
                    server = server.model_copy(update=wanted)
                    write_record(workspace, server)
                return server
            stop_server(workspace)  # two must not share the database
        _record(workspace).unlink(missing_ok=True)
        log = workspace.logs / "prefect-server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", "flows.operation.server_process", str(workspace.root), started_by]
        kept_by = [keeper.model_dump_json()] if keeper else []
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, str(port), str(idle_seconds), *kept_by],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_server_environment(workspace),
                start_new_session=True,
            )
        try:
            return _wait_until_it_answers(workspace, process, log)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise


def stop_server(workspace: Workspace) -> ServerRecord | None:
    """End the workspace's server, if it is the process of the record; return what was ended."""
    server = read_record(workspace)
    if server is None or not end_process(server, STOP_SECONDS):
        return None
    if read_record(workspace) == server:
        _record(workspace).unlink(missing_ok=True)
    return server


def end_process(process: ProcessId, patience: float) -> bool:
    """End that very process, after `patience` seconds for good; return whether it lived."""
    with contextlib.suppress(ProcessLookupError), _handle(process.pid) as handle:
        if not lives(process):
            return False
        # The handle is of the process whose start time was just found right: no other can be hit.
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], patience)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], patience)
        return True
    return False


def use_server(workspace: Workspace) -> None:
    """Keep the workspace's server from ending itself as idle for as long as this process lives."""
    if workspace.root not in _in_use:
        workspace.prefect_home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(workspace.prefect_home / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _in_use[workspace.root] = descriptor


def in_use(workspace: Workspace) -> bool:
    """Whether a process uses the workspace's server (`use_server`)."""
    with (workspace.prefect_home / "in-use.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read_record(workspace: Workspace) -> ServerRecord | None:
    """What `server.json` says of this workspace's own server; none if the file came here with a copy."""
    try:
        server = ServerRecord.model_validate_json(_record(workspace).read_bytes())
    except (OSError, ValidationError):
        return None
    return server if server.workspace == folder_id(workspace) else None


def folder_id(workspace: Workspace) -> str:
    """The folder itself, whatever its path: a copy is another one."""
    stat = workspace.root.stat()
    return f"{stat.st_dev}:{stat.st_ino}"


def lives(process: ProcessId) -> bool:
    return start_time(process.pid) == process.started


def write_record(workspace: Workspace, server: ServerRecord) -> None:
    write_atomically(_record(workspace), server.model_dump_json(indent=1) + "\n")


def _record(workspace: Workspace) -> Path:
    return workspace.root / "server.json"


def _answers(server: ServerRecord, seconds: float = 5.0) -> bool:
    return answers(server.port, "/api/health", seconds)


def answers(port: int, path: str, seconds: float = 5.0) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _wait_until_it_answers(workspace: Workspace, process: subprocess.Popen[bytes], log: Path) -> ServerRecord:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        server = read_record(workspace)
        if server and server.pid == process.pid and _answers(server):
            return server
        time.sleep(0.05)
    why = f"it did not answer within {START_SECONDS:.0f} s" if process.poll() is None else "it ended while starting"
    raise StageFailed(
        f"The Prefect server of {workspace.root} did not come up: {why}. Its log: {log}. "
        "To use a server that already runs, set PREFECT_API_URL."
    )


def _server_environment(workspace: Workspace) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return {
        **kept,
        "PREFECT_HOME": str(workspace.prefect_home),
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_UI_API_URL": "/api",  # a path works under every port and through every tunnel
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT__SERVER_FINAL": "1",
        "DO_NOT_TRACK": "true",
    }
