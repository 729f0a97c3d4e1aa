"""The deployments of a workspace at a Prefect server: the whole road, and one per stage, from one work pool.

What stands there already is changed only where it differs, since Prefect deletes the schedules of a deployment that
is created anew: a schedule that a person made in the UI stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import DeploymentFilter, WorkPoolFilter
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import DeploymentSort
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from flows.arguments import DEFAULT_CONFIG, ConfigArguments
from flows.corpus_to_model import corpus_to_model
from flows.prepare import load_checked, stages_of
from tasks.runtime.errors import RefusedInput
from tasks.runtime.workspace import Workspace

ENTRYPOINT = "flows.corpus_to_model.corpus_to_model"  # of a module: nothing is fetched, and no folder put on the path
ROAD = "road"
"""Tag of the deployments of the whole road."""
CRON_SLUG = "server start --cron"
"""How the slug of the schedule begins that `server start --cron` sets, and that alone it changes."""


@dataclass(frozen=True)
class Deployed:
    pool: str
    names: tuple[str, ...]
    """Of the deployments, with the flow's before them; the whole road first."""
    note: str = ""
    """Why there are none for the stages, or none that follow the config."""


def deploy(client: SyncPrefectClient, workspace: Workspace, *, shared: bool) -> Deployed:
    """Make the work pool and the deployments of a workspace, or bring them up to date.

    Args:
        shared: the server is not the workspace's own, so that other workspaces may have taken its names.
    """
    model, nodes, note = _read_config(workspace)
    pool = _make_pool(client, workspace, shared)
    if note and (standing := _standing_road(client, pool)):  # a config that is being edited changes nothing
        return Deployed(pool, (standing,), note)
    flow_id = client.create_flow(corpus_to_model)
    stages = list(dict.fromkeys(node.partition(".")[0] for node in nodes))
    name = _free_name(client, model or pool, pool, workspace) if shared else model or pool
    _put(client, flow_id, name, pool, workspace, stages, nodes)
    for stage in stages:
        _put(client, flow_id, f"{name}-{stage}", pool, workspace, stages, nodes, only=stage)
    names = (name, *(f"{name}-{stage}" for stage in stages))
    return Deployed(pool, tuple(f"{corpus_to_model.name}/{name}" for name in names), note)


def form(stages: Iterable[str], nodes: Iterable[str], *, only: str = "") -> dict[str, Any]:
    """The schema that the UI draws a form from, and checks it against: the flow's own, with the names to choose from.

    Of a stage's deployment only what applies to one stage is left.
    """
    schema = parameter_schema(corpus_to_model).model_dump_for_openapi()
    fields = schema["properties"]
    hidden = ("only", "start_from", "until") if only else ("only",)
    schema["properties"] = {name: field for name, field in fields.items() if name not in hidden}
    names = list(dict.fromkeys([*stages, *nodes]))
    for field in ("start_from", "until"):
        if names and not only:
            fields[field] |= {"enum": ["", *names]}
    if names:
        own = [name for name in names if name.partition(".")[0] == only] if only else names
        fields["force"]["items"] = {"type": "string", "enum": own}
    fields["config"]["default"] = DEFAULT_CONFIG
    schema["required"] = []
    return schema


def set_cron(client: SyncPrefectClient, deployment: UUID, cron: CronSchedule | None) -> None:
    """Set, change or (with none) remove the schedule of `server start --cron`; others are left alone."""
    slug = f'{CRON_SLUG} "{cron.cron}" {cron.timezone}' if cron else ""  # the UI shows it in place of the times
    ours = [one for one in client.read_deployment_schedules(deployment) if (one.slug or "").startswith(CRON_SLUG)]
    if any(one.slug == slug and one.active for one in ours):
        return
    for one in ours:
        client.delete_deployment_schedule(deployment, one.id)
    if cron is not None:
        schedule = DeploymentScheduleCreate(schedule=cron, active=True, slug=slug)
        client.create_deployment_schedules(deployment, [schedule])


def _read_config(workspace: Workspace) -> tuple[str, list[str], str]:
    """The model's name and the nodes of the road; of a config that does not hold neither is known, but why."""
    try:
        loaded = load_checked(ConfigArguments(workspace.root / DEFAULT_CONFIG, ()))
    except RefusedInput as error:
        return "", [], f"{DEFAULT_CONFIG} does not hold: {error}"
    return loaded.config.model.name, list(stages_of(loaded.config)), ""


def _standing_road(client: SyncPrefectClient, pool: str) -> str:
    found = client.read_deployments(
        work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [pool]}}),
        deployment_filter=DeploymentFilter.model_validate({"tags": {"all_": [ROAD]}}),
        sort=DeploymentSort.UPDATED_DESC,
    )
    return f"{corpus_to_model.name}/{found[0].name}" if found else ""


def _make_pool(client: SyncPrefectClient, workspace: Workspace, shared: bool) -> str:
    """A pool that runs one at a time. On a server of others, another workspace's pool is not taken."""
    name = re.sub(r"[/%&<>]", "-", workspace.root.name) or "workspace"
    description = f"The workspace {workspace.root}: one run at a time."
    for candidate in (name, f"{name}-{_mark(workspace)}"):
        try:
            pool = client.read_work_pool(candidate)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(
                    name=candidate,
                    type=ProcessWorker.type,
                    description=description,
                    base_job_template=ProcessWorker.get_default_base_job_template(),
                    concurrency_limit=1,
                )
            )
            return candidate
        if pool.description == description:
            return candidate
        if not shared:  # the workspace was moved, or is a copy with its own database
            client.update_work_pool(candidate, WorkPoolUpdate(description=description))
            return candidate
    return candidate


def _free_name(client: SyncPrefectClient, name: str, pool: str, workspace: Workspace) -> str:
    try:
        known = client.read_deployment_by_name(f"{corpus_to_model.name}/{name}")
    except ObjectNotFound:
        return name
    return name if known.work_pool_name == pool else f"{name}-{_mark(workspace)}"


def _mark(workspace: Workspace) -> str:
    return hashlib.sha256(str(workspace.root).encode()).hexdigest()[:6]


def _put(
    client: SyncPrefectClient,
    flow_id: UUID,
    name: str,
    pool: str,
    workspace: Workspace,
    stages: list[str],
    nodes: list[str],
    only: str = "",
) -> None:
    part = f"Only the stage {only} of the road" if only else "The whole road from raw text to a judged model"
    wanted: dict[str, Any] = {
        "description": f"{part}, in the workspace `{workspace.root}`. What is unchanged is reused; a run that failed "
        "goes on where it was when it is retried.",
        "tags": [workspace.root.name, only or ROAD],
        "parameters": {"only": only} if only else {},
        "parameter_openapi_schema": form(stages, nodes, only=only),
        "enforce_parameter_schema": True,
        "entrypoint": ENTRYPOINT,
        "work_pool_name": pool,
    }
    try:
        known = client.read_deployment_by_name(f"{corpus_to_model.name}/{name}")
    except ObjectNotFound:
        client.create_deployment(flow_id=flow_id, name=name, **wanted)
        return
    if changed := {field: value for field, value in wanted.items() if _value(known, field) != value}:
        client.update_deployment(known.id, DeploymentUpdate(**changed))


def _value(known: DeploymentResponse, field: str) -> Any:
    value = getattr(known, field)
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
