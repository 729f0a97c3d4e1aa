"""The process of a workspace's Prefect server.

python -m flows.operation.server_process WORKSPACE STARTED_BY PORT IDLE_SECONDS [KEEPER]

It ends itself when its workspace is gone, when `server.json` no longer names it, when its keeper has died and no run
uses it, and, if a run started it, after a time in which no request came, no connection was open and no run used it.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from flows.operation.server import (
    HOST,
    ProcessId,
    ServerRecord,
    StartedBy,
    folder_id,
    in_use,
    lives,
    read_record,
    write_record,
)
from tasks.runtime.processes import quick_imports
from tasks.runtime.workspace import Workspace

WATCH_SECONDS = 1.0

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Traffic:
    """An ASGI application around another that knows when it was last used. Asking for its health is no use."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._open = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope.get("path") in ("/api/health", "/api/ready"):
            await self._app(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def idle_seconds(self) -> float:
        return 0.0 if self._open else time.monotonic() - self._last


def main(root: str, started_by: StartedBy, port: str, idle_seconds: str, keeper: str = "null") -> None:
    workspace = Workspace(Path(root))
    listener = bind(int(port))
    number = listener.getsockname()[1]
    os.environ["PREFECT_SERVER_API_PORT"] = str(number)
    record = ServerRecord(
        **ProcessId.own().model_dump(),
        workspace=folder_id(workspace),
        port=number,
        log="logs/prefect-server.log",
        started_by=started_by,
        keeper=TypeAdapter(ProcessId | None).validate_json(keeper),
    )
    write_record(workspace, record)

    pages = _pages_of_prefect()
    if not os.access(pages, os.W_OK):  # Prefect would write a copy of its pages there
        os.environ["PREFECT_UI_STATIC_DIRECTORY"] = str(workspace.prefect_home / "pages")
    with quick_imports():
        import prefect
        import uvicorn
        from prefect.server.api.server import create_app

        prefect.__ui_v2_static_path__ = pages / "none"  # the second edition of its pages calls an analytics host
        traffic = Traffic(create_app(final=True))
    config = uvicorn.Config(traffic, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    threading.Thread(target=watch, args=(workspace, traffic, float(idle_seconds), server), daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        if _ours(read_record(workspace)):
            (workspace.root / "server.json").unlink(missing_ok=True)


def watch(workspace: Workspace, traffic: Traffic, idle_seconds: float, server: Any) -> None:
    home = workspace.prefect_home.stat().st_ino
    last_use = time.monotonic()
    while True:
        time.sleep(WATCH_SECONDS)
        try:
            record = read_record(workspace)
            gone = workspace.prefect_home.stat().st_ino != home or not _ours(record)
            used = not gone and in_use(workspace)
        except OSError:
            gone = True
        if not gone and used:
            last_use = time.monotonic()
            continue
        idle = min(traffic.idle_seconds(), time.monotonic() - last_use)
        left = record is not None and record.keeper is not None and not lives(record.keeper)
        if gone or left or (record and record.started_by == "run" and idle > idle_seconds):
            server.should_exit = True
            time.sleep(10)
            os._exit(0)  # what could not end in time has nothing left to serve


def _pages_of_prefect() -> Path:
    spec = importlib.util.find_spec("prefect")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "server"


def _ours(record: ServerRecord | None) -> bool:
    return record is not None and record.pid == os.getpid()


def bind(port: int) -> socket.socket:
    """A socket on the port, or on a free one if that is in use."""
    for number in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen(1024)  # binding alone does not keep others from the port
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError(f"no port is free on {HOST}")


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]  # the starter in flows.operation.server gives them in this order
