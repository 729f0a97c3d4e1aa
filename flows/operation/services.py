"""What `textmill server` starts, finds and stops: Prefect's server, a worker, MLflow's server, and who keeps them up.

One supervisor per workspace (`flows.operation.supervisor`) owns the others, starts again what dies, and takes them with
it when it ends. `.prefect/services.json` names it; nothing here imports Prefect or MLflow.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.operation.server import (
    ProcessId,
    ServerRecord,
    end_process,
    folder_id,
    lives,
    read_record,
    standing,
    stop_server,
)
from tasks.runtime.errors import StageFailed
from tasks.runtime.processes import start_time
from tasks.runtime.reachable import shown
from tasks.runtime.workspace import Workspace, file_lock, write_atomically

START_SECONDS = 180.0
STOP_SECONDS = 45.0
GIVEN = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
"""Servers of the person's own, used in place of the workspace's."""


class Service(BaseModel):
    """One of the processes, or a server of the person's own (without a process id)."""

    model_config = ConfigDict(frozen=True)
    name: str
    pid: int = 0
    url: str = ""
    ready: bool = False
    log: str = ""
    """Relative to the workspace."""


class Services(ProcessId):
    """What `services.json` says: the supervisor and what it keeps up."""

    workspace: str
    """Which folder it is (`folder_id`)."""
    given: dict[str, str]
    """The variables of `GIVEN` that were set, without passwords."""
    mark: str = ""
    """Changes with them, passwords included; too short to tell anything of these (`mark_of_given`)."""
    services: tuple[Service, ...] = ()
    failed: str = ""
    """Why it gave up while starting."""

    @property
    def ready(self) -> bool:
        return bool(self.services) and all(service.ready for service in self.services)

    @property
    def api_url(self) -> str:
        return self.given.get("PREFECT_API_URL") or f"{self.url('prefect')}/api"

    def url(self, name: str) -> str:
        return next((service.url for service in self.services if service.name == name), "")


def start_services(workspace: Workspace) -> Services:
    """Start what does not run yet, and wait until all of it answers. Of two starts at once, one waits for the other.

    A server that a run had started becomes part of it.

    Raises:
        StageFailed: one of them did not come up; then none is left running.
    """
    workspace.prefect_home.mkdir(parents=True, exist_ok=True)
    workspace.logs.mkdir(parents=True, exist_ok=True)
    with file_lock(workspace.prefect_home / "services.lock"):
        services = running(workspace)
        if services is not None and services.mark == mark_of_given():
            return _wait(workspace, services)
        if services is not None:  # other servers were named meanwhile
            end_process(services, STOP_SECONDS)
        record_file(workspace).unlink(missing_ok=True)
        with (workspace.logs / "services.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "flows.operation.supervisor", str(workspace.root)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        started = ProcessId(pid=process.pid, started=start_time(process.pid))
        try:
            return _wait(workspace, started)
        except BaseException:
            end_process(started, STOP_SECONDS)
            process.wait()
            record_file(workspace).unlink(missing_ok=True)
            raise


def stop_services(workspace: Workspace) -> list[str]:
    """End all that runs for the workspace; return the names of what was ended."""
    server, services = read_record(workspace), running(workspace)
    ended = []
    if services is not None:
        ended = [service.name for service in services.services if service.pid]
        end_process(services, STOP_SECONDS)
        record_file(workspace).unlink(missing_ok=True)
    if stop_server(workspace) is not None or (server is not None and not services and lives(server)):
        ended = ["prefect", *(name for name in ended if name != "prefect")]
    return ended


def running(workspace: Workspace) -> Services | None:
    """The workspace's supervisor and what it says of the others, if it lives."""
    services = read_services(workspace)
    return services if services is not None and lives(services) else None


def read_services(workspace: Workspace) -> Services | None:
    """What `services.json` says of this workspace; none if the file came here with a copy."""
    try:
        services = Services.model_validate_json(record_file(workspace).read_bytes())
    except (OSError, ValidationError):
        return None
    return services if services.workspace == folder_id(workspace) else None


def write_services(workspace: Workspace, services: Services) -> None:
    write_atomically(record_file(workspace), services.model_dump_json(indent=1) + "\n")


def given_servers() -> dict[str, str]:
    """What the environment names in place of the workspace's servers, without passwords."""
    return {name: shown(value) for name in GIVEN if (value := os.environ.get(name))}


def mark_of_given() -> str:
    return hashlib.sha256(repr([os.environ.get(name, "") for name in GIVEN]).encode()).hexdigest()[:4]


def lone_server(workspace: Workspace) -> ServerRecord | None:
    """The server that a run has started, where nothing else was."""
    return standing(workspace) if running(workspace) is None else None


def record_file(workspace: Workspace) -> Path:
    return workspace.prefect_home / "services.json"


def _wait(workspace: Workspace, supervisor: ProcessId) -> Services:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and lives(supervisor):
        services = read_services(workspace)
        if services is not None and services.pid == supervisor.pid:
            if services.failed:
                raise StageFailed(services.failed)
            if services.ready:
                return services
        time.sleep(0.05)
    state = f"not all answered within {START_SECONDS:.0f} s" if lives(supervisor) else "their supervisor ended"
    raise StageFailed(f"The servers of {workspace.root} did not come up: {state}. Their logs: {workspace.logs}")
