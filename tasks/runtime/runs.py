"""Records of runs: `runs/<id>/run.json`, a view of what a run did; plans compare with the last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.runtime.errors import RefusedInput
from tasks.runtime.workspace import LockHeld, Workspace, file_lock, refuse_to_wait, write_atomically

REMEMBERED_RUNS = 50
STEM = "%Y%m%dT%H%M%SZ"
"""The form of an id: the moment of the start, or the next that no run has."""


class NodeRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")
    fingerprint: str
    digest: str
    action: Literal["ran", "reused"]
    reason: str = ""
    seconds: float = 0.0
    memory_bytes: int = 0
    disk_bytes: int = 0
    compared: str = ""
    """`different` if a rerun of the same recipe gave other bytes."""
    run: str = ""
    """Id of the run that made the artifact."""


class RunRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str
    config_file: str
    overrides: tuple[str, ...] = ()
    started: str
    status: Literal["running", "completed", "failed", "stopped"] = "running"
    error: str = ""
    """Of a failed run: what it said."""
    flow_run: str = ""
    """Id of its flow run in Prefect; empty if it ran without Prefect."""
    process: str = ""
    """`HOST:PID:START` of the process at work."""
    nodes: dict[str, NodeRecord] = {}
    plan: dict[str, str] = {}
    """Every node of the road and the fingerprint it was to have; empty in older records."""
    config: dict[str, Any] = {}
    """Resolved, all sections."""
    written: dict[str, str] = {}
    """Where the settings were written that are no defaults (`pipeline_config.load.written`)."""
    promotion: dict[str, Any] | None = None
    """How the promotion ended, its gates among it (`Promotion.as_json`); None where it did not come to that."""
    judged: int = 0
    """How often the test set had judged models of this workspace, this run's included."""

    def save(self, workspace: Workspace) -> None:
        folder = workspace.runs / self.id
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "run.json", self.model_dump_json(indent=1) + "\n")


def new_run(workspace: Workspace, config_file: Path, overrides: tuple[str, ...]) -> RunRecord:
    """A record whose id sorts after those of all runs before it, though the clock was set back meanwhile."""
    now = datetime.now(UTC)
    workspace.runs.mkdir(parents=True, exist_ok=True)
    taken = [moment for folder in workspace.runs.iterdir() if (moment := _moment(folder.name))]
    moment = max([now, *(one + timedelta(seconds=1) for one in taken)])
    while True:
        try:
            (workspace.runs / f"{moment:{STEM}}").mkdir()
            break
        except FileExistsError:
            moment += timedelta(seconds=1)
    return RunRecord(
        id=f"{moment:{STEM}}",
        config_file=config_file.name,
        overrides=overrides,
        started=now.isoformat(timespec="seconds"),
    )


def _moment(run: str) -> datetime | None:
    try:
        return datetime.strptime(run.partition("-")[0], STEM).replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def under_way(workspace: Workspace, record: RunRecord) -> Iterator[None]:
    """Within, the run is under way to everybody who asks `is_under_way`; that ends when its process does.

    The record is saved while nobody deletes artifacts: who does so next finds what this run is going to use.
    """
    with file_lock(_lock(workspace, record)):
        with file_lock(workspace.deleting):
            record.save(workspace)
        yield


def is_under_way(workspace: Workspace, record: RunRecord) -> bool:
    if not _lock(workspace, record).exists():
        return False
    try:
        with file_lock(_lock(workspace, record), refuse_to_wait):
            return False
    except LockHeld:
        return True


def _lock(workspace: Workspace, record: RunRecord) -> Path:
    return workspace.runs / record.id / ".lock"


def records(workspace: Workspace, limit: int | None = REMEMBERED_RUNS) -> list[RunRecord]:
    """The newest runs (`limit`; None: all), newest first; a record that cannot be read is left out."""
    found = []
    for file in sorted(workspace.runs.glob("*/run.json"), reverse=True)[:limit]:
        try:
            found.append(RunRecord.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            continue
    return found


def newest_record(workspace: Workspace) -> RunRecord:
    """The newest run.

    Raises:
        RefusedInput: there is none, or its record cannot be read.
    """
    files = sorted(workspace.runs.glob("*/run.json"))
    if not files:
        raise RefusedInput(f"{workspace.root}: nothing has run here yet. To begin: textmill run")
    try:
        return RunRecord.model_validate_json(files[-1].read_bytes())
    except (OSError, ValidationError):
        raise RefusedInput(
            f"{files[-1]} is damaged. Its artifacts are kept; run again to have a record of them."
        ) from None


def last_nodes(workspace: Workspace) -> dict[str, NodeRecord]:
    """For every node that was ever run or reused: what the newest run that had it says of it."""
    last: dict[str, NodeRecord] = {}
    for record in records(workspace):
        for node, entry in record.nodes.items():
            last.setdefault(node, entry)
    return last


def last_fingerprints(workspace: Workspace) -> dict[str, str]:
    """For every node that was ever run or reused: its fingerprint in the newest run that had it."""
    return {node: entry.fingerprint for node, entry in last_nodes(workspace).items()}
