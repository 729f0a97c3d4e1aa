"""`promotion.manual`: a scheduled run asks a person in the Prefect UI before its candidate becomes champion.

The flow run is suspended, not paused: no process waits, nothing is locked or leased, other runs go on, and servers
and machine may be restarted. When the form is answered, a worker starts the flow run again, which finds the question
it had asked and carries out the answer without walking the road.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, create_flow_run_input, delete_flow_run_input, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from pydantic import Field

from flows.prepare import Loaded
from flows.running import Outcome
from tasks.promotion.gates import table
from tasks.promotion.outcome import Promotion

DAYS = 30
QUESTION = "promotion-question"


class Decision(RunInput):
    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        description="Approve: it becomes champion. Reject: it stays challenger, and is not asked again.",
    )
    reason: str = Field(default="", title="Reason", description="Kept in the ledger.")
    name: str = Field(default="", title="Your name", description="Kept in the ledger; Prefect does not know you.")


def must_ask(loaded: Loaded, outcome: Outcome) -> bool:
    """Whether the candidate passed its gates and waits for a person alone, who can be asked by a form."""
    promotion, context = outcome.promotion, FlowRunContext.get()
    can_ask = context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None
    return can_ask and loaded.config.promotion.manual and promotion is not None and promotion.waits


def ask(promotion: Promotion) -> None:
    """Suspend the flow run this is called in, with the form; never returns."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    assert promotion.verdict is not None
    key = f"promotion-{context.flow_run.run_count}"
    create_flow_run_input(QUESTION, {"model": promotion.model, "version": promotion.candidate, "key": key})
    former = f"It would replace version {promotion.champion}." if promotion.champion else "There is no champion yet."
    text = (
        f"**{promotion.model} version {promotion.candidate}** ({promotion.variant}) passed all its gates. {former}\n\n"
        f"```\n{table(promotion.verdict)}\n```\n"
    )
    suspend_flow_run(Decision.with_initial_data(description=text), timeout=DAYS * 24 * 3600, key=key)


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
    if answer.decision == "reject":
        reject(registry, model=question.model, version=question.version, who=answer.name, reason=answer.reason)
        sentence = f"{question.model} version {question.version} was rejected and stays challenger."
    else:
        sentence = promote(
            registry,
            model=question.model,
            version=question.version,
            config=loaded.config.promotion,
            who=answer.name,
            reason=answer.reason,
        ).sentence()
    delete_flow_run_input(QUESTION)  # a retry of this flow run walks the road again
    return sentence
