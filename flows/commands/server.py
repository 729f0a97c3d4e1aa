"""Start, stop or look at the servers of a workspace: Prefect, MLflow, and a worker for scheduled runs.

They listen on this machine alone, and run until they are stopped; what dies is started again. A run needs
none of them: it starts a Prefect server by itself, which ends after 30 idle minutes and which `start` makes
part of the whole. Where PREFECT_API_URL or MLFLOW_TRACKING_URI is set, that server is used and none is
started in its place.

textmill server start
textmill server start --cron "0 2 * * *" --timezone Europe/Berlin
textmill server start --cron off         remove that schedule; those made in Prefect's pages stay
textmill server status --json
textmill server stop
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from flows.arguments import add_json, add_workspace
from tasks.runtime.errors import RefusedInput

if TYPE_CHECKING:
    from flows.operation.server import ServerRecord
    from flows.operation.services import Service, Services
    from tasks.runtime.workspace import Workspace

TITLES = {"prefect": "Prefect", "mlflow": "MLflow", "worker": "worker"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("--cron", metavar="TIMES", help='when to run the whole road, such as "0 2 * * *"; or off')
    parser.add_argument("--timezone", metavar="ZONE", help="of those times, such as Europe/Berlin (default: UTC)")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    if not workspace.root.is_dir():
        raise RefusedInput(f"--workspace {args.workspace}: there is no such folder. Expected that of a config file.")
    if (args.cron is not None or args.timezone) and args.action != "start":
        raise RefusedInput(f"--cron and --timezone belong to: textmill server start. Given: server {args.action}.")
    match args.action:
        case "start":
            report, lines = _start(workspace, args.cron, args.timezone)
        case "stop":
            report, lines = _stop(workspace)
        case _:
            report, lines = _status(workspace)
    print(json.dumps(report) if args.json else "\n".join(lines))
    return 0


def _start(workspace: Workspace, cron: str | None, timezone: str | None) -> tuple[dict[str, Any], list[str]]:
    from flows.operation.services import start_services
    from tasks.runtime.reachable import check_reachable

    workspace.check_writable()
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        check_reachable(variable)
    schedule = None
    if cron is not None or timezone:
        from flows.operation.schedule import parse_cron

        schedule = parse_cron(workspace, cron, timezone)
    services = start_services(workspace)
    report, lines = _as_json(services, workspace), _describe(services, workspace)
    if cron is not None:
        from flows.operation.schedule import set_schedule

        told = set_schedule(workspace, os.environ.get("PREFECT_API_URL") or services.api_url, schedule)
        report["schedule"], lines = told, [*lines, told]
    return report, lines


def _stop(workspace: Workspace) -> tuple[dict[str, Any], list[str]]:
    from flows.operation.services import stop_services

    ended = stop_services(workspace)
    names = [TITLES[name] for name in TITLES if name in ended]
    line = f"Stopped: {', '.join(names)}." if names else "No server runs here."
    return {"running": False, "stopped": ended}, [line]


def _status(workspace: Workspace) -> tuple[dict[str, Any], list[str]]:
    from flows.operation.services import given_servers, lone_server, running

    services = running(workspace)
    if services is not None:
        return _as_json(services, workspace), _describe(services, workspace)
    lone = None if os.environ.get("PREFECT_API_URL") else lone_server(workspace)
    if lone is not None:
        return _lone_as_json(lone), [
            f"Prefect {lone.url} (process {lone.pid}, started by a run; ends after 30 idle minutes)",
            "MLflow and the worker do not run. Start them: textmill server start",
        ]
    given = given_servers()
    lines = [f"{name} is set: runs use {address}{_whether_it_answers(name)}." for name, address in given.items()]
    return {"running": False, "given": given}, [*lines, "No server runs here. Start: textmill server start"]


def _describe(services: Services, workspace: Workspace) -> list[str]:
    lines = [
        f"{name} {address} ({variable}{_whether_it_answers(variable)})"
        for variable, name in (("PREFECT_API_URL", "Prefect"), ("MLFLOW_TRACKING_URI", "MLflow"))
        if (address := services.given.get(variable))
    ]
    return [*lines, *(_describe_one(service, workspace) for service in services.services)]


def _describe_one(service: Service, workspace: Workspace) -> str:
    from flows.operation.worker_report import read_report

    title = TITLES[service.name]
    if not service.ready:
        how = "is being started" if service.pid else "is down, and will be started again"
        return f"{title} {how}{f'. Its log: {service.log}' if service.log else ''}"
    if service.name != "worker":
        return f"{title} {service.url}"
    report = read_report(workspace)
    assert report is not None
    note = f"\n{report.note}" if report.note else ""
    return f"{title} waits for runs of {report.deployment} (work pool {report.pool}){note}"


def _whether_it_answers(variable: str) -> str:
    from tasks.runtime.reachable import check_reachable

    try:
        check_reachable(variable)
    except RefusedInput:
        return ", but nothing answers there"
    return ""


def _as_json(services: Services, workspace: Workspace) -> dict[str, Any]:
    from flows.operation.worker_report import read_report

    report = read_report(workspace)
    return {
        "running": services.ready,
        "url": services.api_url.removesuffix("/api"),
        "api_url": services.api_url,
        "mlflow_url": services.given.get("MLFLOW_TRACKING_URI") or services.url("mlflow"),
        "pool": report.pool if report else "",
        "deployment": report.deployment if report else "",
        "given": services.given,
        "pid": services.pid,
        "services": [service.model_dump() for service in services.services],
    }


def _lone_as_json(server: ServerRecord) -> dict[str, Any]:
    return {"running": True, "url": server.url, "api_url": server.api_url, **server.model_dump(), "services": []}
