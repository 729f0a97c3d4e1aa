"""Runs as the Prefect UI starts, cancels, retries and answers them, by a real worker in a tiny workspace."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.runtime.mlflow_store import aliases_on_disk
from tasks.runtime.workspace import Workspace
from tests.e2e.conftest import Road
from tests.e2e.workspace import Textmill, clone, started, wait_for
from tests.server.services import Api, processes_of

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]
SLOW = ["pretrain.budget.steps=200000"]
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")


@dataclass(frozen=True)
class Operated:
    textmill: Textmill
    api: Api

    @property
    def root(self) -> Path:
        return self.textmill.root

    def start(self, **parameters: Any) -> str:
        road = self.api.get("deployments/name/corpus-to-model/tiny")["id"]
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.api(f"deployments/{road}/create_flow_run", **body)["id"])

    def ended(self, run: str, *, not_before: int = 1) -> dict[str, Any]:
        """The run once it is in a state that it does not leave by itself."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.api.get(f"flow_runs/{run}")
            return found if found["state_type"] in ENDED and found["run_count"] >= not_before else None

        return wait_for(look, 300)

    def set_state(self, run: str, **state: str) -> None:
        assert self.api(f"flow_runs/{run}/set_state", state=state)["status"] == "ACCEPT"

    def tasks(self, run: str, attempt: int = 1) -> dict[str, str]:
        """State of each node in an attempt."""
        return {one["name"]: one["state_name"] for one in self.task_runs(run) if one["flow_run_run_count"] == attempt}

    def task_runs(self, run: str) -> list[dict[str, Any]]:
        return list(self.api("task_runs/filter", flow_runs={"id": {"any_": [run]}}, limit=200))

    def wait_until_runs(self, run: str, node: str, attempt: int = 1) -> None:
        wait_for(lambda: self.tasks(run, attempt).get(node) == "Running", 120)

    def artifacts(self, run: str) -> dict[str, Any]:
        """By key, the newest."""
        found = self.api("artifacts/filter", flow_runs={"id": {"any_": [run]}}, sort="CREATED_DESC")
        return {one["key"]: one for one in reversed(found)}

    def log(self, run: str) -> str:
        lines = self.api("logs/filter", logs={"flow_run_id": {"any_": [run]}}, limit=200, sort="TIMESTAMP_ASC")
        return "\n".join(line["message"] for line in lines)

    def processes(self, module: str) -> list[psutil.Process]:
        return processes_of(self.root).get(module, [])

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "ledger.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def operated(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    textmill = clone(road.textmill, tmp_path_factory.mktemp("operated") / "workspace")
    api = textmill("server", "start", "--json").json["api_url"]
    yield Operated(textmill, Api(api))
    textmill("server", "stop")


@pytest.mark.parametrize(
    "mistake",
    [
        {"overrides": ["pretrain.learnig_rate=1"]},
        {"overrides": ["finetune.learning_rate=fast"]},
        {"config": "nowhere.yaml"},
    ],
)
def test_a_mistake_in_the_form_fails_with_the_sentence_of_validate(operated: Operated, mistake: dict[str, Any]) -> None:
    run = operated.ended(operated.start(**mistake))
    said = operated.textmill("validate", *mistake.get("overrides", []), mistake.get("config", "textmill.yaml"), code=2)
    assert run["state_type"] == "FAILED"
    assert f"textmill: {run['state']['message']}\n" == said.err
    assert operated.tasks(run["id"]) == {}
    wait_for(lambda: run["state"]["message"] in operated.log(run["id"]))
    assert "Traceback" not in operated.log(run["id"])


def test_cancel_retry_and_kill(operated: Operated) -> None:
    """One slow run: cancelled, retried from its checkpoint, killed; the run after it goes on."""
    run = operated.start(overrides=SLOW, until="pretrain", force=["select"])
    operated.wait_until_runs(run, "pretrain")
    keep = operated.root / "work" / "pretrain"
    wait_for(lambda: list(keep.glob("*/keep/checkpoints/*/*.safetensors")), 120)
    operated.set_state(run, type="CANCELLING", name="Cancelling")
    wait_for(lambda: not operated.processes("tasks.runtime.child"), 10)
    cancelled = operated.ended(run)
    assert cancelled["state_type"] == "CANCELLED"
    assert operated.tasks(run)["select"] == "Completed"  # it was forced
    assert list(keep.glob("*/keep/checkpoints/*/*.safetensors"))
    with sqlite3.connect(operated.root / "mlflow.db") as database:
        status = dict(database.execute("select name, status from runs order by start_time").fetchall())
    assert status["pretrain"] == status[max(path.name for path in (operated.root / "runs").iterdir())] == "KILLED"

    operated.set_state(run, type="SCHEDULED", name="AwaitingRetry")
    operated.wait_until_runs(run, "pretrain", attempt=2)
    done = operated.tasks(run, attempt=2)
    assert {state for node, state in done.items() if node != "pretrain"} == {"Cached"}  # nothing is forced again
    wait_for(lambda: "progress" in operated.artifacts(run), 60)

    (process,) = operated.processes("flows.operation.flow_process")
    process.send_signal(signal.SIGKILL)
    assert operated.ended(run, not_before=2)["state_type"] == "CRASHED"
    wait_for(lambda: not operated.processes("tasks.runtime.child"), 10)
    after = operated.ended(operated.start(until="select"))
    assert after["state_type"] == "COMPLETED", (after["state"], operated.log(after["id"]))
    assert after["name"].startswith("tiny: until select #")
    assert operated.tasks(run, attempt=2)["pretrain"] == "Crashed"


def test_a_foreground_run_that_was_killed_is_closed_by_the_next(operated: Operated) -> None:
    with started(operated.textmill, "run", "--until", "pretrain", *SLOW) as process:
        running = wait_for(lambda: _running(operated), 120, process)
        operated.wait_until_runs(running["id"], "pretrain")
        assert operated.root.name in running["tags"]
    assert operated.api.get(f"flow_runs/{running['id']}")["state_type"] == "RUNNING"
    operated.textmill("run", "--until", "ingest.labels")
    assert operated.api.get(f"flow_runs/{running['id']}")["state_type"] == "CRASHED"
    assert operated.tasks(running["id"])["pretrain"] == "Crashed"
    assert not _running(operated)


def _running(operated: Operated) -> dict[str, Any] | None:
    found = operated.api("flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING"]}}})
    return found[0] if found else None


def test_a_schedule_makes_a_challenger_of_new_data(operated: Operated) -> None:
    """A file more in the folder that a source names: the next scheduled run registers what comes of it, and judges."""
    road = operated.api.get("deployments/name/corpus-to-model/tiny")["id"]
    before = aliases_on_disk(Workspace(operated.root), "tiny")
    new = "Rotation of the access key: the policy of the bucket names who may read it, and for how long.\n"
    (operated.root / "data" / "pages" / "page99.md").write_text(f"# New\n\n{new * 9}")
    schedule = operated.api.schedule(road, {}, interval=5)
    fired = wait_for(
        lambda: [
            one["id"]
            for one in operated.api.runs(deployment_id={"any_": [road]})
            if one["auto_scheduled"] and one["state_type"] in ("RUNNING", "COMPLETED")
        ],
        120,
    )
    operated.api.delete(schedule)
    done = operated.ended(fired[0])
    assert done["state_type"] == "COMPLETED", operated.log(done["id"])
    states = operated.tasks(done["id"])
    assert (states["ingest.labels"], states["ingest.corpus"], states["distill"]) == ("Cached", "Completed", "Completed")
    after = aliases_on_disk(Workspace(operated.root), "tiny")
    assert before is not None
    assert after is not None
    assert after["challenger"] > before["challenger"]
    assert f"version {after['challenger']}" in done["state"]["message"]


def test_a_person_decides(operated: Operated) -> None:
    """Suspended with a form; servers restarted; another run does not ask again; approved; entered in the ledger."""
    other = ["promotion.manual=true", "compress.backend.kind=onnx_int8", "compress.backend.per_channel=false"]
    run = operated.start(overrides=other)
    asked = operated.ended(run)
    assert (asked["state_type"], asked["state_name"]) == ("PAUSED", "Suspended"), operated.log(run)
    wait_for(lambda: not operated.processes("flows.operation.flow_process"), 30)
    pages = operated.artifacts(run)
    assert "macro-F1" in pages["ladder"]["data"][0]
    assert pages["compress"]["task_run_id"]
    assert "compress.backend.per_channel True → False" in pages["compress"]["data"]
    assert "/#/experiments/" in pages["links"]["data"]
    schema = operated.api.get(f"flow_runs/{run}/input/suspended-promotion-1-schema")
    assert schema["properties"]["decision"]["enum"] == ["approve", "reject"]

    operated.textmill("server", "stop")
    again = operated.textmill("server", "start", "--json").json["api_url"]  # another where the usual port is taken
    operated = replace(operated, api=Api(again))
    second = operated.ended(operated.start(overrides=other))
    assert (second["state_type"], asked["name"] in second["state"]["message"]) == ("COMPLETED", True)

    answer = {"decision": "approve", "reason": "smaller", "name": "Ann"}
    walked = operated.tasks(run)
    operated.api(f"flow_runs/{run}/resume", run_input=answer)  # to Prefect still the same attempt
    done = operated.ended(run)
    assert done["state_type"] == "COMPLETED", operated.log(run)
    assert "is champion" in done["state"]["message"]
    last = operated.ledger()[-1]
    assert (last["action"], last["who"], last["reason"]) == ("promote", "Ann", "smaller")
    assert len(operated.task_runs(run)) == len(walked)  # the road was not walked again
