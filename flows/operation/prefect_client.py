"""How this process speaks with Prefect: settings (set before Prefect is imported), logs, and what if a server dies."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flows.operation.server import ensure_server, lives, read_record, start_server
from tasks.runtime.errors import StageFailed, TextmillError, no_room
from tasks.runtime.reachable import check_reachable, shown
from tasks.runtime.workspace import Workspace

LINE = "%(asctime)s %(levelname)-7s %(name)s %(flow_run_name)s %(task_run_name)s: %(message)s"
WATCH_SECONDS = 1.0
FULL = 1 << 20  # bytes: with less than that left a database may not even be able to say why it fails


def connect(workspace: Workspace, say: Callable[[str], None]) -> str:
    """Make sure that a server stands, and set this process up to use it. Call it before Prefect is imported.

    A server of the workspace that dies while this process lives is started again. Returns the address of the API.

    Raises:
        RefusedInput: nothing answers at `PREFECT_API_URL`.
    """
    own = not os.environ.get("PREFECT_API_URL")
    if not own:
        check_reachable("PREFECT_API_URL")
    api_url = ensure_server(workspace, say)
    workspace.logs.mkdir(parents=True, exist_ok=True)
    os.environ |= {**client_environment(workspace), "PREFECT_API_URL": api_url}
    _log_to_file(workspace)
    if own:
        threading.Thread(name="keep-server", target=_keep_server, args=(workspace, say), daemon=True).start()
    return api_url


def client_environment(workspace: Workspace) -> dict[str, str]:
    """What is to be set before Prefect is imported, but for the address of its server."""
    return {
        "PREFECT_HOME": str(workspace.prefect_home),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a server that is gone is an error, not a second server
        # 30 s: time enough to start a server that died again.
        "PREFECT_CLIENT_MAX_RETRIES": os.environ.get("PREFECT_CLIENT_MAX_RETRIES", "4"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
    }


@contextmanager
def server_needed() -> Iterator[None]:
    """Around a flow: a server that cannot be reached any more ends it with a sentence, and at once."""
    import httpx
    from prefect.exceptions import ObjectNotFound

    try:
        yield
    # Gone, or its database is, or another server has its port.
    except (httpx.TransportError, httpx.HTTPStatusError, ObjectNotFound) as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
            raise
        _forget_events()
        home = os.environ["PREFECT_HOME"]
        if shutil.disk_usage(home).free < FULL:  # a database without room is an answer 500, too
            raise no_room(home) from error
        told = str(error).partition("\n")[0]
        raise StageFailed(
            f"The Prefect server at {shown(os.environ['PREFECT_API_URL'])} no longer answers for this run ({told}). "
            "What is done is kept: run again to go on."
        ) from error


def _keep_server(workspace: Workspace, say: Callable[[str], None]) -> None:
    server = read_record(workspace)
    while server is not None and workspace.prefect_home.exists():
        time.sleep(WATCH_SECONDS)
        if lives(server):
            continue
        try:
            again = start_server(workspace, started_by=server.started_by, port=server.port)
        except (OSError, TextmillError) as error:
            say(f"The Prefect server died and could not be started again: {error}")
            return
        if again.port != server.port:
            say(f"The Prefect server died and its port {server.port} is taken: this run is no longer recorded there.")
            return
        say(f"The Prefect server died and was started again: {again.url}")
        server = again


def _forget_events() -> None:
    """Drop what is still to be sent. At its end, a process would else try each event for seconds."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    services: list[Any] = [EventsWorker, APILogWorker]
    for service in services:
        for instance in list(service._instances.values()):
            with suppress(queue.Empty):
                while True:
                    instance._queue.get_nowait()


def _log_to_file(workspace: Workspace) -> None:
    """Prefect's own lines go to `logs/prefect.log`; the terminal belongs to the observer of the run."""
    import prefect.main  # noqa: F401  # sets its handlers up when it is imported

    logging.raiseExceptions = False  # a log record that cannot be sent to the server is not the user's business
    for logger in [logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))]:
        for old in [old for old in logger.handlers if hasattr(old, "stream") and "prefect" in type(old).__module__]:
            logger.removeHandler(old)
            logger.propagate = True
    handler = logging.FileHandler(workspace.logs / "prefect.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter(LINE, defaults={"flow_run_name": "-", "task_run_name": "-"}))
    logging.getLogger().addHandler(handler)


def without_trace(record: logging.LogRecord) -> bool:
    """An error that a person can act on says all in its message; that a failed node has no result is no news."""
    if isinstance(record.msg, str) and record.msg.startswith("Failed to write result"):
        return False
    if record.exc_info and isinstance(record.exc_info[1], TextmillError):
        record.msg, record.args, record.exc_info, record.exc_text = str(record.exc_info[1]), (), None, None
    return True
