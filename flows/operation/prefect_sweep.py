"""What a `kill -9` leaves behind in Prefect: flow runs and task runs that are RUNNING for ever. They are set Crashed.

A run says in its record which process works on it (host, process id, start of that process). Only of processes of
this host that have ended is anything changed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect import State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from tasks.runtime.processes import is_gone
from tasks.runtime.runs import RunRecord, is_under_way, records
from tasks.runtime.workspace import Workspace

OPEN = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}
WHY = "Its process was killed. What is done is kept: run again, or retry, to go on."


def sweep_flow_runs(workspace: Workspace) -> list[str]:
    """Close what killed processes left open, here and in Prefect; return the ids of these runs."""
    gone = [record for record in records(workspace) if record.status == "running" and is_gone(record.process)]
    # A container may bear the name of this host, but its processes have numbers of their own.
    dead = [record for record in gone if not is_under_way(workspace, record)]
    if known := [record for record in dead if record.flow_run]:
        with get_client(sync_client=True) as client:
            for record in known:
                _close(client, record)
    for record in dead:
        record.status = "stopped"
        record.save(workspace)
    return [record.id for record in dead]


def _close(client: SyncPrefectClient, record: RunRecord) -> None:
    flow_run = UUID(record.flow_run)
    try:
        state = client.read_flow_run(flow_run).state
    except ObjectNotFound:  # of another server
        return
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])), task_run_filter=TaskRunFilter()
    )
    for task in tasks:
        if task.state_type in OPEN:
            client.set_task_run_state(task.id, Crashed(message=WHY), force=True)
    if state is not None and state.type in OPEN:
        ended: State[Any] = Cancelled(message="It was cancelled.") if state.is_cancelling() else Crashed(message=WHY)
        client.set_flow_run_state(flow_run, ended, force=True)
