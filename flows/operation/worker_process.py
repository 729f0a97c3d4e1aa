"""The process of a workspace's worker: `python -m flows.operation.worker_process WORKSPACE API_URL PARENT`.

It makes the deployments, says so in `.prefect/worker.json`, and takes runs until it is ended.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

from flows.operation.prefect_client import client_environment
from flows.operation.server import answers, read_record
from flows.operation.worker_report import WorkerReport, write_report
from tasks.runtime.child import die_with_parent
from tasks.runtime.errors import TextmillError
from tasks.runtime.processes import quick_imports
from tasks.runtime.reachable import check_reachable
from tasks.runtime.workspace import Workspace

QUERY_SECONDS = "2"


def main(root: str, api_url: str, parent: str) -> None:
    die_with_parent(int(parent))
    workspace = Workspace(Path(root))
    shared = bool(os.environ.get("PREFECT_API_URL"))
    os.environ |= {
        "PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS,
        **os.environ,
        **workspace.environment(),
        **client_environment(workspace),
        "PREFECT_API_URL": api_url,
        "TEXTMILL_WORKER": str(os.getpid()),
    }
    with quick_imports():
        from prefect.client.orchestration import get_client

        from flows.operation.deployments import deploy
        from flows.operation.prefect_sweep import sweep_flow_runs
        from flows.operation.worker import RoadWorker, stamp
    _wait_for_api(workspace, api_url, shared)

    def redeploy() -> str:
        with get_client(sync_client=True) as client:
            made = deploy(client, workspace, shared=shared)
        report = WorkerReport(pid=os.getpid(), pool=made.pool, deployment=made.names[0], note=made.note)
        write_report(workspace, report)
        return made.pool

    sweep_flow_runs(workspace)
    deployed = stamp(workspace.root)
    worker = RoadWorker(redeploy(), name=socket.gethostname().replace("/", "-"))
    worker.folder, worker.redeploy, worker.deployed = workspace.root, redeploy, deployed
    asyncio.run(worker.run_until_terminated())


def _wait_for_api(workspace: Workspace, api_url: str, shared: bool) -> None:
    """Until the workspace's own server answers, which is being started; another's must answer at once."""
    if shared:
        check_reachable("PREFECT_API_URL")
        return
    while not (
        (server := read_record(workspace)) and server.api_url == api_url and answers(server.port, "/api/health")
    ):
        time.sleep(0.05)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except TextmillError as error:
        sys.exit(str(error))
