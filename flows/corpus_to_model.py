"""The whole road as a Prefect flow: what the command line calls in the foreground, and what a worker calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.arguments import ConfigArguments
from flows.prepare import load_checked
from flows.running import Selection, prepare, run_road
from flows.terminal import Terminal
from tasks.runtime.prefect_task import PrefectCall

Work = Callable[[], None]
"""Walks the road inside the flow run: `road(config, inputs, PrefectCall(session))`."""

_prepared: ContextVar[Work | None] = ContextVar("prepared", default=None)


@contextmanager
def prepared(work: Work) -> Iterator[None]:
    """Within, the flow does `work` in place of preparing its own: `textmill run` has checked and shown it already.

    No heartbeats are sent: to stop them takes up to a second, and a run in the foreground is seen to live.
    """
    token = _prepared.set(work)
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield
    finally:
        _prepared.reset(token)


@flow(
    name="corpus-to-model",
    description="Raw text and a small labelled set in, a small model in the registry out. Nodes whose recipe and "
    "inputs are unchanged are reused.",
    retries=0,
    persist_result=False,
    validate_parameters=True,
)
def corpus_to_model(
    config: str,
    overrides: list[str] = [],  # noqa: B006  # Prefect shows defaults as JSON; nothing changes them
    start_from: str = "",
    until: str = "",
    only: str = "",
    force: list[str] = [],  # noqa: B006  # as above
) -> None:
    """Run the road. Flat parameters, described here: so the Prefect UI makes a form of them.

    Args:
        config: Path of the YAML file; its folder is the workspace.
        overrides: Settings over the file, such as finetune.learning_rate=3e-5.
        start_from: Stage or node before which everything must be reusable.
        until: Stage or node after which to stop.
        only: Stage or node that alone may run.
        force: Stages or nodes that run although they are reusable (once: not when the run is retried).
    """
    work = _prepared.get()
    if work is None:
        first = (flow_run.run_count or 1) == 1  # a retry keeps its parameters, but must not force again
        arguments = ConfigArguments(Path(config), tuple(overrides))
        work = _work(arguments, Selection(only or start_from, only or until, tuple(force) if first else ()))
    work()


def _work(arguments: ConfigArguments, selection: Selection) -> Work:
    """A worker's run: prepared here, told in plain lines."""
    loaded = load_checked(arguments)
    plan = prepare(loaded, selection)

    def work() -> None:
        run_road(loaded, plan, selection, Terminal(), PrefectCall)

    return work
