"""The process of one flow run: `python -m flows.operation.flow_process`, the run's id in `PREFECT__FLOW_RUN_ID`.

It does what `python -m prefect.engine` does, but ends when the worker ends, and logs no trace of our own code where a
run ended in a failed state: its message says what a person needs.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID

from tasks.runtime.child import die_with_parent
from tasks.runtime.processes import quick_imports


def main(flow_run_id: UUID) -> None:
    with quick_imports():
        from prefect._internal.control_listener import configure_from_env
        from prefect.engine import handle_engine_signals
        from prefect.flow_engine import load_flow, load_flow_run, run_flow
        from prefect.logging.loggers import flow_run_logger

    configure_from_env()  # how the worker tells a cancelled run from a killed one
    with handle_engine_signals(flow_run_id):
        flow_run = load_flow_run(flow_run_id)
        with quick_imports():
            flow = load_flow(flow_run)
        logger: Any = flow_run_logger(flow_run)
        run_flow(flow, flow_run=flow_run, error_logger=logger, return_type="state")


if __name__ == "__main__":
    die_with_parent(int(os.environ["TEXTMILL_WORKER"]))
    main(UUID(os.environ["PREFECT__FLOW_RUN_ID"]))
