"""`textmill server start --cron`: the schedule of the whole road that the command line sets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flows.operation.worker_report import read_report
from tasks.runtime.errors import RefusedInput
from tasks.runtime.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.schedules import CronSchedule

OFF = "off"


def parse_cron(workspace: Workspace, cron: str | None, timezone: str | None) -> CronSchedule | None:
    """None for `off`. Imports Prefect.

    Raises:
        RefusedInput: the times or their zone cannot be read, or there is a zone without times.
    """
    from zoneinfo import available_timezones

    from flows.operation.prefect_client import client_environment

    os.environ |= client_environment(workspace)
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    if not cron or (cron == OFF and timezone):
        raise RefusedInput('--timezone is that of --cron, such as --cron "0 2 * * *". Give both, or only --cron.')
    if timezone and timezone not in available_timezones():
        raise RefusedInput(f"--timezone {timezone}: unknown. Expected a name such as Europe/Berlin or UTC.")
    if cron == OFF:
        return None
    try:
        return CronSchedule(cron=cron, timezone=timezone or "UTC")
    except ValidationError:
        raise RefusedInput(
            f'--cron "{cron}": cannot be read. Expected minute, hour, day, month and weekday, such as "0 2 * * *" '
            "(every night at two) or @daily; or off, for no schedule."
        ) from None


def set_schedule(workspace: Workspace, api_url: str, schedule: CronSchedule | None) -> str:
    """Set the schedule of the workspace's road, or remove it; return a sentence that says so."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.operation.deployments import set_cron

    report = read_report(workspace)
    assert report is not None  # it was waited for
    with temporary_settings({PREFECT_API_URL: api_url}), get_client(sync_client=True) as client:
        set_cron(client, client.read_deployment_by_name(report.deployment).id, schedule)
    if schedule is None:
        return "The schedule of the command line is removed."
    return f"{report.deployment} runs at {schedule.cron} ({schedule.timezone})."
