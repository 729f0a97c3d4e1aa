"""Which waiting runs a worker skips: a schedule is not caught up with, a person's run is never dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Scheduled, State

from flows.operation.worker import missed, skipped

NOW = datetime(2030, 1, 1, 2, 0, tzinfo=UTC)
ROAD = uuid4()


def waiting(seconds_late: float, *, auto: bool = True, deployment: UUID = ROAD, state: State | None = None) -> FlowRun:
    due = NOW - timedelta(seconds=seconds_late)
    run = FlowRun(
        flow_id=uuid4(),
        deployment_id=deployment,
        auto_scheduled=auto,
        expected_start_time=due,
        state=state or Scheduled(scheduled_time=due),
    )
    run.state_name = run.state.name if run.state else None
    return run


def test_what_is_on_time_or_to_come_waits() -> None:
    assert missed([waiting(5), waiting(-3600)], NOW) == []


def test_after_hours_without_a_worker_only_what_is_on_time_is_left() -> None:
    runs = [waiting(60.0 * minutes + 1) for minutes in range(180)]
    assert missed(runs, NOW) == runs[1:]
    assert missed(runs[5:], NOW) == runs[5:]


def test_each_deployment_has_its_own_latest() -> None:
    other = waiting(30, deployment=uuid4())
    assert missed([waiting(10), other], NOW) == []


def test_a_person_s_run_and_a_retry_wait_however_late() -> None:
    retried = waiting(7200, state=AwaitingRetry(scheduled_time=NOW))
    assert missed([waiting(7200, auto=False), retried], NOW) == []


def test_a_skipped_run_says_why() -> None:
    state = skipped(waiting(7200))
    assert state.is_cancelled()
    assert state.name == "Skipped"
    assert state.message is not None
    assert "2030-01-01 00:00:00 UTC" in state.message
