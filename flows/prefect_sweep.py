"""What a `kill -9` leaves behind in Prefect: flow runs and task runs that are RUNNING for ever. They are set Crashed.

A run says in its record which process works on it (host, process id, start of that process). Only of processes of
this host that have ended is anything changed.
"""

from __future__ import annotations

import os
import socket
from typing import Any
from uuid import UUID

from prefect import State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from flows.server import start_time
from tasks.runtime.runs import RunRecord, records
from tasks.runtime.workspace import Workspace

OPEN = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}
WHY = "Its process was killed. What is done is kept: run again, or retry, to go on."


def this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{start_time(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process of this host, as `this_process` named it, has ended. Others are left alone."""
    host, _, rest = process.partition(":")
    pid, _, started = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and start_time(int(pid)) != started


def sweep_flow_runs(workspace: Workspace) -> list[str]:
    """Close what killed processes left open, here and in Prefect; return the ids of these runs."""
    dead = [record for record in records(workspace) if record.status == "running" and is_gone(record.process)]
    if not dead:
        return []
    with get_client(sync_client=True) as client:
        for record in dead:
            if record.flow_run:
                _close(client, record)
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
