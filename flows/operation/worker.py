"""Prefect's process worker, as this product needs it: what starts a run, what is skipped, what is swept."""

from __future__ import annotations

import asyncio
import math
import shlex
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.arguments import DEFAULT_CONFIG

MISSED_AFTER = timedelta(seconds=60)
STOP_SECONDS = 10.0
PAGES = 3
"""Of 200 runs, as Prefect gives them, that are planned anew after a clock was set back."""
SKIPPED = "Skipped"
COMMAND = shlex.join([sys.executable, "-P", "-m", "flows.operation.flow_process"])
SWEPT = "The worker of this run ended, and the run with it. What is done is kept: retry the run to go on."

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Prefect warns that there is a second worker of the type "process"

    class RoadWorker(ProcessWorker):
        """Runs flow runs in the folder of the workspace, in processes that end when it ends."""

        folder: Path
        redeploy: Callable[[], object]
        stopping = False
        clock = -math.inf
        """Seconds by which the time of day was ahead of the time since boot."""
        deployed: tuple[int, ...]
        """`stamp` of the config that the deployments were made from."""

        async def run(
            self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: Any = None
        ) -> ProcessWorkerResult:
            configuration.command, configuration._command_configured = COMMAND, True
            configuration.working_dir = configuration.working_dir or self.folder
            return await super().run(flow_run, configuration, task_status)

        async def setup(self) -> None:
            await super().setup()
            for run in await self._runs_in(StateType.PENDING, StateType.RUNNING, StateType.CANCELLING):
                if run.labels.get("prefect.worker.name", self.name) == self.name:
                    cancelling = run.state is not None and run.state.is_cancelling()
                    await self._end(run, Cancelled(message=SWEPT) if cancelling else Crashed(message=SWEPT))
            if any(run.state_name == SKIPPED for run in await self._to_come()):
                await self._schedule_again()

        async def get_and_submit_flow_runs(self) -> list[FlowRun]:
            if self.stopping:
                return []
            if (config := stamp(self.folder)) != self.deployed:
                await asyncio.to_thread(self.redeploy)  # the choices in the forms are the nodes of the config
                self.deployed = config
            if (ahead := time.time() - time.monotonic()) < self.clock - MISSED_AFTER.total_seconds():
                await self._schedule_again()
            self.clock = ahead
            now = datetime.now(UTC)
            for run in missed(await self._runs_in(StateType.SCHEDULED), now):
                await self._end(run, skipped(run))
            return await super().get_and_submit_flow_runs()

        async def run_until_terminated(self) -> None:
            """Until SIGTERM: then the run that is on gets it too, and time to report its end to Prefect."""
            terminated = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
            service = asyncio.create_task(self.start())
            ended = asyncio.create_task(terminated.wait())
            await asyncio.wait((service, ended), return_when=asyncio.FIRST_COMPLETED)
            self.stopping = True
            processes = psutil.Process().children()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            await asyncio.to_thread(psutil.wait_procs, processes, STOP_SECONDS)
            service.cancel()
            with suppress(asyncio.CancelledError):
                await service

        async def _runs_in(self, *states: StateType) -> list[FlowRun]:
            return await self.client.read_flow_runs(
                flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": states}}}),
                work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [self._work_pool_name]}}),
            )

        async def _to_come(self) -> list[FlowRun]:
            now, waiting = datetime.now(UTC), await self._runs_in(StateType.SCHEDULED, StateType.CANCELLED)
            return [run for run in waiting if is_to_come(run, now)]

        async def _schedule_again(self) -> None:
            """The clock was set back: what was skipped as missed is to come, and Prefect plans it anew."""
            for _ in range(PAGES):  # what Prefect plans anew meanwhile goes too, and is planned once more
                for run in await self._to_come():
                    with suppress(ObjectNotFound):  # it was deleted meanwhile
                        await self.client.delete_flow_run(run.id)

        async def _end(self, run: FlowRun, state: State) -> None:
            with suppress(ObjectNotFound):  # it was deleted meanwhile
                await self.client.set_flow_run_state(run.id, state, force=True)


def stamp(folder: Path) -> tuple[int, ...]:
    """Changes with the config file of a workspace."""
    try:
        stat = (folder / DEFAULT_CONFIG).stat()
    except FileNotFoundError:
        return ()
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


def missed(runs: Iterable[FlowRun], now: datetime) -> list[FlowRun]:
    """Of the runs that wait, those of a schedule whose time has passed: no worker was there, or another run was on.

    Only the latest of a deployment can still be on time. Runs that a person has started, or retries, wait.
    """
    due = [
        run
        for run in runs
        if run.auto_scheduled
        and run.run_count == 0
        and run.state_name in ("Scheduled", "Late")
        and run.expected_start_time is not None
        and run.expected_start_time <= now
    ]
    latest = {run.deployment_id: run for run in sorted(due, key=lambda run: run.expected_start_time or now)}
    return [
        run
        for run in due
        if run is not latest[run.deployment_id] or now - (run.expected_start_time or now) > MISSED_AFTER
    ]


def is_to_come(run: FlowRun, now: datetime) -> bool:
    """Whether a schedule made it for a time that is still to come, skipped or not."""
    waits = run.run_count == 0 and run.state_name in ("Scheduled", "Late", SKIPPED)
    return run.auto_scheduled and waits and run.expected_start_time is not None and run.expected_start_time > now


def skipped(run: FlowRun) -> State:
    return Cancelled(
        name=SKIPPED,
        message=f"Missed: at {run.expected_start_time:%Y-%m-%d %H:%M:%S %Z} no worker was there, or another run of "
        "the workspace was on. Missed schedules are not caught up.",
    )
