"""`promotion.manual`: a scheduled run asks a person in the Prefect UI before its candidate becomes champion.

The flow run is suspended, not paused: no process waits, nothing is locked or leased, other runs go on, and servers
and machine may be restarted. When the form is answered, a worker starts the flow run again, which finds the question
it had asked and carries out the answer without walking the road.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, create_flow_run_input, delete_flow_run_input, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from pydantic import Field

from flows.prepare import Loaded
from tasks.promotion.outcome import Promotion
from tasks.runtime.workspace import Workspace

DAYS = 30
QUESTION = "promotion-question"
UNNAMED = "unnamed, by the form in Prefect"


class Decision(RunInput):
    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        description="Approve: it becomes champion. Reject: it stays challenger, and is not asked again.",
    )
    reason: str = Field(default="", title="Reason", description="Kept in the ledger.")
    name: str = Field(default="", title="Your name", description="Kept in the ledger; Prefect cannot tell who answers.")


def can_ask() -> bool:
    """Whether this is a flow run that a worker starts again when its form is answered."""
    return bool(deployment.id)


def ask(workspace: Workspace, promotion: Promotion) -> str:
    """Suspend the flow run this is called in, with the form; it is not left but by an exception of Prefect.

    If another run has asked about the same version and waits for the answer, it returns a sentence that says so.
    """
    asked = {"workspace": str(workspace.root), "model": promotion.model, "version": promotion.candidate}
    which = f"{promotion.model} version {promotion.candidate}"
    if other := _asked_by(asked):
        return (
            f"{which} is challenger; all gates passed. The run {other!r} has asked about it and waits for the answer."
        )
    key = f"promotion-{flow_run.run_count}"
    if read_flow_run_input(QUESTION):  # never answered, and the run was retried
        delete_flow_run_input(QUESTION)
    create_flow_run_input(QUESTION, {**asked, "key": key})
    get_run_logger().info("%s passed all its gates: press Resume on this page to approve or reject it.", which)
    suspend_flow_run(Decision.with_initial_data(description=_text(promotion)), timeout=DAYS * 24 * 3600, key=key)
    raise AssertionError("suspend_flow_run returned")


def _text(promotion: Promotion) -> str:
    assert promotion.verdict is not None
    former = f"It would replace version {promotion.champion}." if promotion.champion else "There is no champion yet."
    gates = "\n".join(f"- {gate.name}: {gate.has} (needs {gate.needs})" for gate in promotion.verdict.gates)
    title = f"**{promotion.model} version {promotion.candidate}** ({promotion.variant})"
    return f"{title} passed all its gates:\n\n{gates}\n\n{former}\n"


def _asked_by(asked: dict[str, Any]) -> str:
    """The name of another suspended run that has asked the same; empty if there is none."""
    suspended = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=suspended):
            theirs: Any = read_flow_run_input(QUESTION, flow_run_id=run.id)
            if theirs and asked.items() <= theirs.items():
                return run.name
    return ""


@dataclass(frozen=True)
class Question:
    model: str
    version: int
    answer: Decision


def answered() -> Question | None:
    """What this flow run had asked before, if it has been answered since."""
    asked: Any = read_flow_run_input(QUESTION)
    given = asked and read_flow_run_input(keyset_from_base_key(f"suspended-{asked['key']}")["response"])
    return Question(asked["model"], asked["version"], Decision.model_validate(given)) if given else None


def carry_out(loaded: Loaded, question: Question) -> str:
    """Promote the version that was asked about, or note that it was rejected; return what happened.

    The gates judge again, since another champion may have come meanwhile.
    """
    from tasks.promotion.promote import promote, reject
    from tasks.runtime.registry import Registry

    registry, answer = Registry.existing(loaded.store.workspace), question.answer
    who = answer.name.strip() or UNNAMED
    if answer.decision == "reject":
        reject(registry, model=question.model, version=question.version, who=who, reason=answer.reason)
        sentence = f"{question.model} version {question.version} was rejected and stays challenger."
    else:
        sentence = promote(
            registry,
            model=question.model,
            version=question.version,
            config=loaded.config.promotion,
            who=who,
            reason=answer.reason,
        ).sentence()
    delete_flow_run_input(QUESTION)  # a retry of this flow run walks the road again
    return sentence
