"""What the pages of a flow run say, and which processes a sweep takes for dead."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.operation.approval import Decision
from flows.operation.prefect_artifacts import ladder_rows, links
from flows.operation.prefect_sweep import sweep_flow_runs
from tasks.runtime.processes import is_gone, this_process
from tasks.runtime.runs import new_run, records, under_way
from tasks.runtime.workspace import Workspace

RUNG = {"title": "TF-IDF + linear", "size_bytes": None, "accuracy": {"value": 0.5}, "gain": None}
SCORE = {"value": 0.6, "low": 0.5, "high": 0.7}
GAIN = {"value": -0.01, "low": -0.02, "high": 0.0, "against": "tfidf"}


def test_the_ladder_as_a_table() -> None:
    student = {"rung": "student", "title": "student", "macro_f1": SCORE, "gain": GAIN, "size_bytes": 18_000_000}
    rungs = [{**RUNG, "rung": "tfidf", "macro_f1": SCORE}, {**RUNG, **student}]
    first, last = ladder_rows({"metric": "macro_f1", "rungs": rungs}, {"latency_ms.student": 7.04})
    assert first["macro-F1"] == "0.60 ±0.10"
    assert (first["gain"], first["MB"], first["ms a text"]) == ("", None, None)
    assert (last["gain"], last["over"]) == ("−0.01 [−0.02, +0.00]", "TF-IDF + linear")
    assert (last["MB"], last["ms a text"]) == (18.0, 7.0)


def test_links_lead_only_to_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, tracker = Workspace(tmp_path), SimpleNamespace(experiment="1", road="abc")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "textmill server start" in links(workspace, "r", tracker)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000/")
    assert "(http://mlflow:5000/#/experiments/1/runs/abc)" in links(workspace, "r", tracker)
    assert "report" not in links(workspace, "r", tracker)
    (workspace.runs / "r").mkdir(parents=True)
    (workspace.runs / "r" / "report.html").touch()
    assert "runs/abc/artifacts/report.html)" in links(workspace, "r", tracker)


def test_a_process_is_gone_when_it_has_ended_on_this_host() -> None:
    host, pid, started = this_process().split(":", 2)
    assert not is_gone(this_process())
    assert is_gone(f"{host}:{pid}:another-start")
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert is_gone(f"{host}:{ended.pid}:{started}")
    assert not is_gone(f"elsewhere:{ended.pid}:{started}")
    assert not is_gone("")  # of a record that names none
    assert int(pid) == os.getpid()


def test_the_form_of_a_decision_is_flat() -> None:
    fields = Decision.model_json_schema()["properties"]
    assert fields["decision"]["enum"] == ["approve", "reject"]
    assert all(field["title"] and field["description"] and field["type"] == "string" for field in fields.values())


def test_a_run_that_holds_its_lock_is_not_swept(tmp_path: Path) -> None:
    """A container may bear the name of this host and see none of its processes."""
    workspace = Workspace(tmp_path)
    run = new_run(workspace, tmp_path / "textmill.yaml", ())
    run.process = this_process().replace(f":{os.getpid()}:", ":1:")
    assert is_gone(run.process)
    with under_way(workspace, run):
        assert sweep_flow_runs(workspace) == []
        assert records(workspace)[0].status == "running"
    assert sweep_flow_runs(workspace) == [run.id]
    assert records(workspace)[0].status == "stopped"
