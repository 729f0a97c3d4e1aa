"""The whole road as a Prefect flow: what the command line calls in the foreground, and what a worker calls."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from prefect import State, flow, tags
from prefect.context import TagsContext
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed
from pydantic import Field

from flows.arguments import DEFAULT_CONFIG, ConfigArguments
from flows.operation.approval import answered, ask, can_ask, carry_out
from flows.operation.prefect_artifacts import Pages
from flows.operation.prefect_client import without_trace
from flows.operation.prefect_sweep import sweep_flow_runs
from flows.prepare import Loaded, Plan, load_checked
from flows.running import Outcome, Selection, prepare, run_road
from flows.terminal import Terminal
from tasks.runtime.errors import TextmillError
from tasks.runtime.execution import Observer, Session
from tasks.runtime.prefect_task import PrefectCall
from tasks.runtime.processes import this_process
from tasks.runtime.visible import visible
from tasks.runtime.workspace import Workspace

NAME_LENGTH = 60


@dataclass
class Prepared:
    """What `textmill run` has loaded, checked and planned already, and what came of it."""

    loaded: Loaded
    plan: Plan
    selection: Selection
    observer: Observer
    outcome: Outcome | None = None
    error: TextmillError | None = None


_prepared: ContextVar[Prepared | None] = ContextVar("prepared", default=None)


def run_in_foreground(loaded: Loaded, plan: Plan, selection: Selection, observer: Observer) -> Outcome:
    """Walk a prepared road as the flow, in this process.

    No heartbeats are sent: to stop them takes up to a second, and a run in the foreground is seen to live.
    """
    prepared = Prepared(loaded, plan, selection, observer)
    token = _prepared.set(prepared)
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), tags(loaded.store.workspace.root.name):
            state: State[Any] = corpus_to_model(
                config=str(loaded.arguments.file.resolve()),
                overrides=list(loaded.arguments.overrides),
                start_from=selection.start,
                until=selection.until,
                force=list(selection.force),
                return_state=True,
            )
    finally:
        _prepared.reset(token)
    if prepared.error is not None:
        raise prepared.error
    if not state.is_completed():
        state.result(raise_on_failure=True)
    assert prepared.outcome is not None
    return prepared.outcome


def name_of_run() -> str:
    """Model, what is run, how-manieth run of the workspace; a retry keeps its name."""
    if flow_run.run_count:
        return str(flow_run.name)
    given = flow_run.parameters
    prepared = _prepared.get()
    try:
        loaded = prepared.loaded if prepared else load_checked(_arguments(given["config"], given["overrides"]))
    except TextmillError:
        return f"{given['config']} (refused)"
    only, start, until = (given.get(name, "") for name in ("only", "start_from", "until"))
    start, until = only or start, only or until
    part = (
        f"only {start}"
        if start and start == until
        else " ".join(f"{word} {name}" for word, name in (("from", start), ("until", until)) if name)
    )
    what = ", ".join(filter(None, (part, *given["overrides"]))) or "whole road"
    number = sum(1 for _ in loaded.store.workspace.runs.glob("*")) + 1
    return f"{loaded.config.model.name}: {textwrap.shorten(visible(what), NAME_LENGTH, placeholder=' …')} #{number}"


def _titled(title: str) -> Any:
    return Field(json_schema_extra={"title": title})  # Prefect puts the parameter's name in place of `title=`


@flow(
    name="corpus-to-model",
    description="Raw text and a small labelled set in, a small model in the registry out. Nodes whose recipe and "
    "inputs are unchanged are reused.",
    flow_run_name=name_of_run,
    retries=0,
    persist_result=False,
    validate_parameters=True,
)
def corpus_to_model(
    config: Annotated[str, _titled("Config file")] = DEFAULT_CONFIG,
    overrides: Annotated[list[str], _titled("Overrides")] = [],  # noqa: B006  # Prefect shows defaults as JSON
    start_from: Annotated[str, _titled("Start from")] = "",
    until: Annotated[str, _titled("Until")] = "",
    only: Annotated[str, _titled("Only")] = "",
    force: Annotated[list[str], _titled("Force")] = [],  # noqa: B006  # as above
) -> State[None]:
    """Run the road. Flat parameters, described here: so the Prefect UI makes a form of them.

    Args:
        config: The YAML file, as a path in the workspace.
        overrides: Settings over the file, one an item, such as finetune.learning_rate=3e-5.
        start_from: Stage or node before which everything must be reusable. Empty = the beginning.
        until: Stage or node after which to stop. Empty = the end.
        only: Stage or node that alone may run. Empty = all.
        force: Stages or nodes that run although they are reusable (once: not when the run is retried).
    """
    with _quiet_errors(), TagsContext(current_tags=set()):  # Prefect asks about limits for every task run with a tag
        prepared = _prepared.get()
        try:
            if prepared is not None:
                prepared.outcome = outcome = walk(prepared)
                return _completed(outcome)
            arguments = _arguments(config, overrides)
            first = (flow_run.run_count or 1) == 1  # a retry keeps its parameters, but must not force again
            return _in_worker(arguments, Selection(only or start_from, only or until, tuple(force) if first else ()))
        except TextmillError as error:
            if prepared is not None:
                prepared.error = error
            get_run_logger().error("%s", error)
            return Failed(message=str(error))


def walk(prepared: Prepared) -> Outcome:
    """Walk the road inside the flow run."""
    identity = UUID(flow_run.id)
    workspace = prepared.loaded.store.workspace
    sweep_flow_runs(workspace)
    pages = Pages(prepared.observer, identity)

    def call_of(session: Session) -> PrefectCall:
        session.record.flow_run, session.record.process = str(identity), this_process()
        session.record.save(workspace)
        return pages.call(session)

    outcome = None
    try:
        outcome = run_road(prepared.loaded, prepared.plan, prepared.selection, pages, call_of)
    finally:
        pages.conclude(outcome)
    return outcome


def _in_worker(arguments: ConfigArguments, selection: Selection) -> State[None]:
    """A worker's run: prepared here, told in plain lines."""
    os.environ.update(Workspace.of_config(arguments.file).environment())
    loaded = load_checked(arguments)
    if question := answered():
        return Completed(message=carry_out(loaded, question))
    outcome = walk(Prepared(loaded, prepare(loaded, selection), selection, Terminal()))
    loaded.store.digests.save()
    if outcome.promotion is not None and outcome.promotion.waits and can_ask():
        return Completed(message=ask(loaded.store.workspace, outcome.promotion))
    return _completed(outcome)


def _completed(outcome: Outcome) -> State[None]:
    return Completed(message=outcome.promotion.sentence() if outcome.promotion else None)


def _arguments(config: str, overrides: list[str]) -> ConfigArguments:
    """A worker works in the workspace, so that a relative path is one in it."""
    file = Path(config)
    return ConfigArguments(file / DEFAULT_CONFIG if file.is_dir() else file, tuple(overrides))


@contextmanager
def _quiet_errors() -> Iterator[None]:
    """Within, Prefect logs errors for people without a trace."""
    loggers = [logging.getLogger(f"prefect.{kind}_runs") for kind in ("flow", "task")]
    for logger in loggers:
        logger.addFilter(without_trace)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(without_trace)
