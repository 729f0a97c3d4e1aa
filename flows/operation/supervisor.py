"""The process behind `textmill server start`: `python -m flows.operation.supervisor WORKSPACE`.

It starts Prefect's server, MLflow's and the worker, starts again what dies, and tells in `services.json` how they are.
However it ends, they end: the kernel kills the worker and MLflow with it, and Prefect's server, which runs in the
foreground may be using, ends itself when no run does. It ends when its workspace is gone or `services.json` no longer
names it.
"""

from __future__ import annotations

import fcntl
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flows.operation.server import HOST, ProcessId, answers, folder_id, lives, read_record, start_server, stop_server
from flows.operation.server_process import bind
from flows.operation.services import (
    Service,
    Services,
    given_servers,
    mark_of_given,
    read_services,
    record_file,
    write_services,
)
from flows.operation.worker_report import read_report
from tasks.runtime.errors import TextmillError
from tasks.runtime.workspace import Workspace

TICK_SECONDS = 0.1
WATCH_SECONDS = 1.0
CLOCK_SECONDS = 60.0
USUAL_MLFLOW_PORT = 5000
LONGEST_PAUSE = 60.0
WORKER_PATIENCE = 20.0
MLFLOW_PATIENCE = 5.0


@dataclass
class Child:
    """A process that is started again, after longer and longer pauses, whenever it ends."""

    name: str
    log: str
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    was_ready: bool = False
    endings: int = 0
    not_before: float = 0.0

    def keep(self, workspace: Workspace, command: list[str], inherit: tuple[int, ...] = ()) -> None:
        if self.process is not None and self.process.poll() is not None:
            say(f"{self.name} ended ({self.process.returncode})")
            self.process, self.ready = None, False
            self.endings += 1
            self.not_before = time.monotonic() + min(2.0 ** (self.endings - 2), LONGEST_PAUSE)
        if self.process is None and time.monotonic() >= self.not_before:
            with (workspace.root / self.log).open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=workspace.root,
                    pass_fds=inherit,
                )

    def end(self, patience: float) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def note(self, ready: bool) -> None:
        """Once it was ready, a process counts as such until it ends."""
        if ready and not self.ready:
            self.ready = self.was_ready = True
            self.endings = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def service(self) -> Service:
        return Service(name=self.name, pid=self.pid, url=self.url, ready=self.ready and bool(self.pid), log=self.log)


@dataclass
class PrefectServer:
    """The server of the workspace, this process its keeper; a run may have started it, or start it again."""

    workspace: Workspace
    keeper: ProcessId
    port: int | None = None
    failure: str = ""
    was_ready: bool = False
    starting: threading.Thread | None = field(default=None, repr=False)

    def keep(self) -> Service:
        record = read_record(self.workspace)
        alive = record is not None and lives(record)
        ready = alive and record is not None and record.keeper == self.keeper and not self._busy()
        if not ready and not self._busy():
            self.starting = threading.Thread(target=self._start, daemon=True)
            self.starting.start()
        if record is None or not alive:
            return Service(name="prefect")
        self.port, self.was_ready = record.port, self.was_ready or ready
        return Service(name="prefect", pid=record.pid, url=record.url, ready=ready, log=record.log)

    def _busy(self) -> bool:
        return self.starting is not None and self.starting.is_alive()

    def _start(self) -> None:
        try:
            preferred = {"port": self.port} if self.port else {}
            start_server(self.workspace, started_by="person", keeper=self.keeper, **preferred)
        except (OSError, TextmillError) as error:
            say(str(error))
            self.failure = str(error)
            time.sleep(WATCH_SECONDS)


@dataclass
class Supervisor:
    workspace: Workspace
    given: dict[str, str]
    own: ProcessId = field(default_factory=ProcessId.own)
    worker: Child = field(default_factory=lambda: Child("worker", "logs/worker.log"))
    mlflow: Child = field(default_factory=lambda: Child("mlflow", "logs/mlflow-server.log"))
    worker_url: str = ""
    told: Services | None = None
    clock: float = -math.inf
    """Seconds by which the time of day was ahead of the time since boot."""

    def __post_init__(self) -> None:
        self.prefect = PrefectServer(self.workspace, self.own)

    def run(self, stop: threading.Event) -> None:
        listener = None if "MLFLOW_TRACKING_URI" in self.given else bind(USUAL_MLFLOW_PORT)
        while not stop.wait(TICK_SECONDS if self.told is None or not self.told.ready else WATCH_SECONDS):
            try:
                self._follow_clock()
                if not self._tell(tuple(self._keep_all(listener))):
                    return
            except OSError as error:  # a full disk passes
                if not self.workspace.prefect_home.exists():
                    return
                say(str(error))

    def _keep_all(self, listener: socket.socket | None) -> Iterator[Service]:
        api_url = os.environ.get("PREFECT_API_URL", "")
        if not api_url:
            prefect = self.prefect.keep()
            api_url = f"{prefect.url}/api" if prefect.url else ""
            yield prefect
        if listener is not None:
            yield self._keep_mlflow(listener.getsockname()[1], listener.fileno())
        yield self._keep_worker(api_url) if api_url else self.worker.service()

    def end(self) -> None:
        """The worker first: what it runs reports its end to Prefect."""
        self.worker.end(WORKER_PATIENCE)
        self.mlflow.end(MLFLOW_PATIENCE)
        with suppress(OSError):
            record = read_record(self.workspace)
            if record is not None and record.keeper == self.own:
                stop_server(self.workspace)
            if self._named():
                Path(record_file(self.workspace)).unlink(missing_ok=True)

    def _follow_clock(self) -> None:
        """Prefect's services wait by the time of day: set back by days, they would stand still for as long."""
        ahead = time.time() - time.monotonic()
        if ahead < self.clock - CLOCK_SECONDS and not self.given.get("PREFECT_API_URL"):
            say("the clock was set back: Prefect's server is started again")
            stop_server(self.workspace)
        self.clock = ahead

    def _keep_mlflow(self, port: int, descriptor: int) -> Service:
        self.mlflow.url = f"http://{HOST}:{port}"
        command = ["tasks.runtime.mlflow_server", str(self.workspace.root), str(descriptor), str(self.own.pid)]
        self.mlflow.keep(self.workspace, command, (descriptor,))
        if not self.mlflow.ready:
            self.mlflow.note(bool(self.mlflow.pid) and answers(port, "/health", TICK_SECONDS))
        return self.mlflow.service()

    def _keep_worker(self, api_url: str) -> Service:
        if self.worker_url not in ("", api_url):  # the server came back under another port
            self.worker.end(WORKER_PATIENCE)
        self.worker_url = api_url
        command = ["flows.operation.worker_process", str(self.workspace.root), api_url, str(self.own.pid)]
        self.worker.keep(self.workspace, command)
        if not self.worker.ready and (report := read_report(self.workspace)) is not None:
            self.worker.note(report.pid == self.worker.pid)
        return self.worker.service()

    def _tell(self, services: tuple[Service, ...]) -> bool:
        """Write down how all are, if it has changed; return whether this process still is the supervisor."""
        if self.told is not None and not self._named():
            return False
        failures = [self._why(child) for child in (self.mlflow, self.worker) if child.endings and not child.was_ready]
        if not self.prefect.was_ready:
            failures.insert(0, self.prefect.failure)
        now = Services(
            **self.own.model_dump(),
            workspace=folder_id(self.workspace),
            given=self.given,
            mark=mark_of_given(),
            services=services,
            failed=next(filter(None, failures), ""),
        )
        if now != self.told:
            write_services(self.workspace, now)
            self.told = now
        return True

    def _why(self, child: Child) -> str:
        log = self.workspace.root / child.log
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        last = f" Its last words: {lines[-1]}" if lines else ""
        return f"The {child.name} of {self.workspace.root} ended while starting.{last} Its log: {log}"

    def _named(self) -> bool:
        try:
            known = read_services(self.workspace)
        except OSError:
            return False
        return known is not None and known.pid == self.own.pid


def say(line: str) -> None:
    with suppress(OSError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), line, flush=True)


def main(root: str) -> None:
    workspace = Workspace(Path(root))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for folder in (workspace.prefect_home, workspace.logs):
        folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(workspace.prefect_home / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)  # one whose record was deleted is about to end
    supervisor = Supervisor(workspace, given_servers())
    try:
        supervisor.run(stop)
    finally:
        supervisor.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
