"""What the tests of `textmill server` share: a workspace, its processes as the kernel sees them, the API of Prefect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import psutil

T = TypeVar("T")
QUICK = {"until": "ingest.labels"}
"""Parameters of a run that takes seconds."""


def wait_for(condition: Callable[[], T], seconds: float = 120) -> T:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited too long; the last answer: {found!r}"
        time.sleep(0.1)
    return found


def processes_of(root: Path) -> dict[str, list[psutil.Process]]:
    """All living processes of a workspace by module, those that they started included."""
    found: dict[str, list[psutil.Process]] = {}
    for process in [*_started_for(root)]:
        for one in [process, *_children(process)]:
            try:
                command = one.cmdline()
                if one.status() != psutil.STATUS_ZOMBIE and "-m" in command:
                    module = command[command.index("-m") + 1]
                    if all(known.pid != one.pid for known in found.setdefault(module, [])):
                        found[module].append(one)
            except psutil.Error:
                continue
    return found


def _started_for(root: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(root) in command and "-m" in command:
            yield process


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


@dataclass(frozen=True)
class Api:
    """Prefect's, as the pages of its UI use it."""

    url: str

    def __call__(self, path: str, /, **body: Any) -> Any:
        return self._ask("POST", path, body).json()

    def get(self, path: str) -> Any:
        return self._ask("GET", path).json()

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def schedule(self, deployment: str, parameters: Any = MappingProxyType(QUICK), **schedule: Any) -> str:
        """Make a schedule, as the UI does; return its path."""
        path = f"deployments/{deployment}/schedules"
        (made,) = self._ask(
            "POST", path, [{"schedule": schedule, "active": True, "parameters": dict(parameters)}]
        ).json()
        return f"{path}/{made['id']}"

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A server that is busy or being started again is asked again."""
        return wait_for(lambda: self._try(method, path, body), 60)

    def _try(self, method: str, path: str, body: Any) -> httpx.Response | None:
        try:
            answer = httpx.request(method, f"{self.url}/{path}", json=body, timeout=30)
        except httpx.TransportError:
            return None
        if answer.status_code == 503:
            return None
        assert answer.is_success, answer.text
        return answer

    def deployments(self) -> dict[str, Any]:
        return {found["name"]: found for found in self("deployments/filter")}

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a run as the form does; return its id."""
        made = self(f"deployments/{self.deployments()[deployment]['id']}/create_flow_run", parameters=parameters)
        return str(made["id"])

    def state(self, run: str) -> tuple[str, str]:
        state = self.get(f"flow_runs/{run}")["state"]
        return state["name"], state["message"] or ""

    def ended(self, run: str, seconds: float = 180) -> tuple[str, str]:
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        wait_for(lambda: self.get(f"flow_runs/{run}")["state_type"] in final, seconds)
        return self.state(run)

    def runs(self, **conditions: Any) -> list[Any]:
        return list(self("flow_runs/filter", flow_runs=conditions, sort="EXPECTED_START_TIME_ASC"))


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()
