"""One run of the road: which part of it, who is told, and what is done with what it leads to."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flows.prepare import Loaded, Plan, plan_road, stages_of
from flows.road import Milestones, road
from pipeline_config.load import written
from tasks.runtime.artifact import Artifact, Evaluation
from tasks.runtime.errors import RefusedInput
from tasks.runtime.execution import Observer, Session
from tasks.runtime.fingerprint import resolved
from tasks.runtime.planning import PlannedNode, check_selection, selects
from tasks.runtime.runs import RunRecord, new_run, under_way
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Call, Stage, node_name
from tasks.runtime.workspace import Workspace, file_lock, write_atomically

if TYPE_CHECKING:
    from tasks.promotion.outcome import Promotion

log = logging.getLogger("textmill")

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class Selection:
    """Which nodes of the road: `start` and `until` are names of stages or nodes; empty = the whole road."""

    start: str = ""
    until: str = ""
    force: tuple[str, ...] = ()

    def check(self, plan: Plan, command: str = "textmill run") -> None:
        """Refuse an empty range, and a start before which something is not reusable.

        `command` is the run without its selection, for the remedy.
        """
        if not self.start:
            return
        first = next(index for index, name in enumerate(plan.names) if selects([self.start], name))
        if first > self.last(plan.names):
            raise RefusedInput(f"--from {self.start} --until {self.until}: {self.until} comes before {self.start}.")
        for node in plan.nodes:
            if selects([self.start], node.node):
                return
            if not node.certain:
                raise RefusedInput(
                    f"--from {self.start}: {node.node} comes before it and is not reusable ({node.reason}). "
                    f"Run it first: {command} --until {node.node}"
                )

    def last(self, names: Sequence[str]) -> int:
        """The position of the last node to run."""
        return max(index for index, name in enumerate(names) if not self.until or selects([self.until], name))


class _Reached(Exception):
    """The last node that was asked for is done."""


@dataclass
class Outcome:
    record: RunRecord
    milestones: Milestones = field(default_factory=Milestones)
    promotion: Promotion | None = None
    judged: int = 0
    """How often models of this workspace have been judged on this test set."""


def run_road(
    loaded: Loaded, plan: Plan, selection: Selection, observer: Observer, call_of: Callable[[Session], Call]
) -> Outcome:
    """Run the road (or the selected part), track it, register what it made and promote it if the gates agree.

    `call_of` makes the `Call` that runs nodes: as Prefect tasks, or plainly.
    """
    from tasks.runtime.tracking import Tracking

    workspace = loaded.store.workspace
    workspace.sweep()
    record = new_run(workspace, loaded.arguments.file, loaded.arguments.overrides)
    record.plan = {node.node: node.artifact.fingerprint for node in plan.nodes}
    record.config = resolved(loaded.config)
    record.written = written(loaded.arguments.file, loaded.arguments.overrides)
    tracking = Tracking(workspace, {source.name: source.licence for source in loaded.config.ingest.corpus.sources})
    tracking.start_road(loaded.config.model.name, record.id, record.config)
    outcome = Outcome(record)
    status = "KILLED"
    with ExitStack() as stack:
        stack.enter_context(under_way(workspace, record))
        stack.callback(lambda: _close(outcome, tracking, workspace, status))
        session = Session(
            store=loaded.store,
            settings=Settings.from_environment(),
            observer=observer,
            tracker=tracking,
            record=record,
            force=selection.force,
            reasons=plan.reasons,
        )
        try:
            outcome.milestones = road(
                loaded.config, loaded.inputs, _Until(call_of(session), plan.names, selection.last(plan.names))
            )
            if outcome.milestones.evaluation is not None:
                _conclude(loaded, outcome)
                _describe(loaded, outcome, tracking)
        except _Reached:
            pass
        except Exception as error:
            status, record.error = "FAILED", str(error)
            raise
        status = "FINISHED"
    return outcome


def _conclude(loaded: Loaded, outcome: Outcome) -> None:
    """Register what the road made, judge the candidate, and count that the test set has judged."""
    from tasks.promotion.promote import register_and_promote
    from tasks.runtime.registry import Registry

    reached, workspace = outcome.milestones, loaded.store.workspace
    assert reached.evaluation is not None
    outcome.judged = count_judgement(workspace, reached.evaluation, outcome.record.nodes[reached.evaluation.node].run)
    made: list[Artifact] = [*reached.models.values(), *reached.compressed.values()]
    if reached.checkpoint is not None:
        made.append(reached.checkpoint)
    executions = {artifact.node: loaded.store.execution(artifact.path) for artifact in made}
    outcome.promotion = register_and_promote(
        Registry(workspace),
        model=loaded.config.model.name,
        config=loaded.config.promotion,
        evaluation=reached.evaluation,
        models=reached.models,
        compressed=reached.compressed,
        checkpoint=reached.checkpoint,
        run_ids={node: execution.mlflow_run_id for node, execution in executions.items() if execution},
    )
    outcome.record.promotion, outcome.record.judged = outcome.promotion.as_json(), outcome.judged


def _describe(loaded: Loaded, outcome: Outcome, tracking: Any) -> None:
    """Tell the road's page in MLflow how it ended, and by what it is compared with other roads."""
    from tasks.promotion.publish import road_page
    from tasks.runtime.metric_names import headline

    evaluation, store = outcome.milestones.evaluation, loaded.store
    assert evaluation is not None
    assert outcome.promotion is not None
    executions = {
        node: store.execution(store.workspace.artifact(node, record.fingerprint))
        for node, record in outcome.record.nodes.items()
    }
    made = executions[evaluation.node]
    metrics = headline(evaluation.metrics, made.measured if made else {})
    metrics |= {f"seconds/{node}": execution.seconds for node, execution in executions.items() if execution}
    runs = {node: execution.mlflow_run_id for node, execution in executions.items() if execution}
    name, sentence = loaded.config.model.name, outcome.promotion.sentence()
    tracking.describe_road(road_page(name, sentence, evaluation, runs, tracking.experiment), metrics)


def _close(outcome: Outcome, tracking: Any, workspace: Workspace, status: str) -> None:
    match status:
        case "FINISHED":
            outcome.record.status = "completed"
        case "FAILED":
            outcome.record.status = "failed"
        case _:
            outcome.record.status = "stopped"
    outcome.record.save(workspace)
    tracking.end_road(status)
    if status != "KILLED":  # who stops a run does not wait for a page
        from tasks.report.page import write_report

        try:
            tracking.attach_to_road(write_report(workspace, outcome.record))
        except Exception as error:  # nor does a run of hours fail for it: `textmill report` says why
            log.warning("the report could not be written: %s", error)


@dataclass(frozen=True)
class _Until:
    """A `Call` that goes no further than the last node that was asked for."""

    call: Call
    names: Sequence[str]
    last: int

    def __call__(self, stage: Stage[P, A], part: str, /, *args: P.args, **kwargs: P.kwargs) -> A:
        if self.names.index(node_name(stage, part)) > self.last:
            raise _Reached
        return self.call(stage, part, *args, **kwargs)


def count_judgement(workspace: Workspace, evaluation: Evaluation, run: str) -> int:
    """How often this workspace's models have been judged on this test set, the evaluation made by `run` included.

    Every look at a test set wears it out a little: who chooses by it many times overfits to it.
    """
    file = workspace.root / "judgements.jsonl"
    entry = {
        "test_digest": evaluation.metrics["test_digest"],
        "evaluation": evaluation.fingerprint,
        "run": run,
    }
    with file_lock(workspace.root / ".judgements.lock"):
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        entries = [json.loads(line) for line in text.splitlines()]
        if entry not in entries:
            entries.append(entry)
            write_atomically(file, text + json.dumps(entry) + "\n")
    return judgements(workspace, entry["test_digest"])


def judgements(workspace: Workspace, test_digest: str) -> int:
    """How often this workspace's models have been judged on a test set."""
    file = workspace.root / "judgements.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return sum(json.loads(line)["test_digest"] == test_digest for line in lines)


def prepare(loaded: Loaded, selection: Selection) -> Plan:
    """Plan a run and refuse what must be refused before any stage runs."""
    workspace = loaded.store.workspace
    workspace.check_writable()
    named = [name for name in (selection.start, selection.until) if name]
    check_selection(named, list(stages_of(loaded.config)))  # a typo is told before missing data
    plan = plan_road(loaded, selection.force)
    selection.check(plan, " ".join(["textmill run", str(loaded.arguments.file), *loaded.arguments.overrides]))
    for node in nodes_to_check(plan, selection):
        from tasks.ingest.check import check_labels, check_text  # half a second, and mostly nothing is to be checked

        match node.node:
            case "ingest.corpus":
                check_text(loaded.config.ingest.corpus, loaded.inputs.corpus)
            case "ingest.general":
                assert loaded.config.ingest.general is not None
                assert loaded.inputs.general is not None
                check_text(loaded.config.ingest.general, loaded.inputs.general)
            case "ingest.benchmarks":
                assert loaded.config.ingest.benchmarks is not None
                assert loaded.inputs.benchmarks is not None
                check_text(loaded.config.ingest.benchmarks, loaded.inputs.benchmarks)
            case "ingest.labels":
                check_labels(loaded.config.ingest.labels, loaded.inputs.labels)
    return plan


def nodes_to_check(plan: Plan, selection: Selection) -> list[PlannedNode]:
    """The nodes that will read the user's own data in this run."""
    within = plan.nodes[: selection.last(plan.names) + 1]
    return [node for node in within if node.node.startswith("ingest.") and node.action == "run"]
