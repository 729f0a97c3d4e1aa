"""What a worker says once it waits for runs: `.prefect/worker.json`. Nothing here imports Prefect."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.runtime.workspace import Workspace, write_atomically


class WorkerReport(BaseModel):
    model_config = ConfigDict(frozen=True)
    pid: int
    pool: str
    """The work pool that it takes runs from."""
    deployment: str
    """The deployment of the whole road, as Prefect names it; those of the stages carry `-STAGE` behind it."""
    note: str = ""
    """What a person should know: for example, why the stages could not be deployed."""


def read_report(workspace: Workspace) -> WorkerReport | None:
    try:
        return WorkerReport.model_validate_json(_file(workspace).read_bytes())
    except (OSError, ValidationError):
        return None


def write_report(workspace: Workspace, report: WorkerReport) -> None:
    write_atomically(_file(workspace), report.model_dump_json(indent=1) + "\n")


def _file(workspace: Workspace) -> Path:
    return workspace.prefect_home / "worker.json"
