"""Start, stop or look at the Prefect server of a workspace.

A run starts one by itself, which ends after 30 idle minutes; one started by hand runs until it is
stopped. With PREFECT_API_URL set that server is used, and none is started.

textmill server start
textmill server status --json
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from flows.arguments import add_json, add_workspace

if TYPE_CHECKING:
    from flows.server import ServerRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("start", "stop", "status"))
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows import server
    from tasks.runtime.errors import RefusedInput
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    if not workspace.root.is_dir():
        raise RefusedInput(f"--workspace {args.workspace}: there is no such folder. Expected that of a config file.")
    if args.action != "stop" and (named := os.environ.get("PREFECT_API_URL")):
        print(json.dumps(_named_as_json(named)) if args.json else _describe_named(named, args.action))
        return 0
    found: ServerRecord | None
    match args.action:
        case "start":
            workspace.check_writable()
            found = server.start_server(workspace, started_by="person")
            line = _describe(found)
        case "stop":
            found = server.stop_server(workspace)
            line = f"Stopped the Prefect server (process {found.pid})." if found else "No server runs here."
        case _:
            found = server.standing(workspace)
            line = _describe(found) if found else "No server runs here. Start one: textmill server start"
    print(json.dumps(_as_json(found, running=args.action != "stop" and found is not None)) if args.json else line)
    return 0


def _describe(found: ServerRecord) -> str:
    by = "by a run; ends after 30 idle minutes" if found.started_by == "run" else "by hand; runs until it is stopped"
    return f"The Prefect server runs: {found.url} (process {found.pid}, started {by}). Log: {found.log}"


def _describe_named(address: str, action: str) -> str:
    answers = "" if _answers() else ", but nothing answers there"
    line = f"PREFECT_API_URL is set: runs use the Prefect server at {address}{answers}."
    return f"{line} None is started." if action == "start" else line


def _answers() -> bool:
    from tasks.runtime.errors import RefusedInput
    from tasks.runtime.reachable import check_reachable

    try:
        check_reachable("PREFECT_API_URL")
    except RefusedInput:
        return False
    return True


def _named_as_json(address: str) -> dict[str, object]:
    return {"running": _answers(), "api_url": address, "named_by": "PREFECT_API_URL"}


def _as_json(found: ServerRecord | None, *, running: bool) -> dict[str, object]:
    if found is None:
        return {"running": False}
    return {"running": running, "url": found.url, "api_url": found.api_url, **found.model_dump()}
