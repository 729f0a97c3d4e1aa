"""MLflow's server over the store of a workspace: `python -m tasks.runtime.mlflow_server WORKSPACE SOCKET PARENT`.

One process in place of the five that `mlflow server` starts. It listens on an open socket that it inherits, so that
its port stays its own however often it is started again, and ends with the process that started it.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

from tasks.runtime.child import die_with_parent
from tasks.runtime.processes import quick_imports
from tasks.runtime.workspace import Workspace


def main(root: str, descriptor: str, parent: str) -> None:
    die_with_parent(int(parent))
    workspace = Workspace(Path(root))
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ |= workspace.environment() | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # for the evaluation of language models; 235 MB
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "false",  # the files lie on this machine
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    with quick_imports():
        app = _app(workspace)
        import uvicorn
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


def _app(workspace: Workspace) -> Any:
    from tasks.runtime.mlflow_store import open_client, own_address

    open_client(workspace).search_experiments(max_results=1)  # makes or migrates the tables
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": own_address(workspace),
        "_MLFLOW_SERVER_REGISTRY_STORE": own_address(workspace),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(workspace.root / "mlflow"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server.fastapi_app import app
    return app


if __name__ == "__main__":
    main(*sys.argv[1:])
