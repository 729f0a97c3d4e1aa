"""One real MLflow database; what a road writes into it is read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.artifact import Corpus, Evaluation, InputRecord
from tasks.runtime.metric_names import flat, numbers
from tasks.runtime.processes import this_process
from tasks.runtime.tracking import PROCESS, Tracking
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import make_artifact

RECORD = InputRecord(node="clean", kind="CleanCorpus", fingerprint="f" * 32, digest="d" * 64)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking(Workspace(tmp_path_factory.mktemp("tracked")))


def test_a_road_with_a_node_that_ran_one_reused_one_failed(
    tracking: Tracking, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tracking.workspace.root
    tracking.start_road("m", "run-1", {"select": {"near": {"threshold": 0.8}}})
    corpus = make_artifact(
        Corpus, "select", root, lambda f: (f / "shard.parquet").write_bytes(b"x") and None, metrics={"kept": 12}
    )
    run = tracking.node_started("select", {"long": "v" * 9000, "rules": [1, 2]}, {"clean": RECORD})
    run.metrics([("loss", 2.0, 1), ("loss", 1.0, 2), ("odd name: ä?%", 1.0, None)])
    run.finished(corpus)
    tracking.node_reused(corpus, run.run_id)
    broken = tracking.node_started("pretrain", {}, {})
    broken.failed("out of text")
    tracking.end_road("FAILED")

    client = tracking.client
    parent, child = client.get_run(tracking.road), client.get_run(run.run_id)
    assert parent.info.status == "FAILED"
    assert parent.data.params == {"select.near.threshold": "0.8"}
    assert parent.data.tags["node.select"] == f"{run.run_id}/{corpus.fingerprint}"
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == tracking.road
    assert child.data.tags["textmill.digest"] == corpus.digest
    assert len(child.data.params["long"]) == 6000
    assert child.data.params["rules"] == "[1, 2]"
    assert child.data.metrics["kept"] == 12
    assert [(m.step, m.value) for m in client.get_metric_history(run.run_id, "loss")] == [(1, 2.0), (2, 1.0)]
    given, made = sorted(child.inputs.dataset_inputs, key=lambda one: one.dataset.name)
    assert given.dataset.name == "clean (CleanCorpus)"
    assert given.dataset.digest == "d" * 32
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "clean", "digest": "d" * 64}
    assert {tag.key: tag.value for tag in made.tags} == {"mlflow.data.context": "output", "digest": corpus.digest}
    assert {file.path for file in client.list_artifacts(run.run_id)} == {"manifest.json", "card.md"}
    failed = client.get_run(broken.run_id)
    assert (failed.info.status, failed.data.tags["textmill.error"]) == ("FAILED", "out of text")
    assert (root / "mlflow").is_dir()
    assert capfd.readouterr().err == ""


def test_an_evaluation_is_there_with_all_its_files(tracking: Tracking) -> None:
    def fill(folder: Path) -> None:
        (folder / "predictions").mkdir()
        (folder / "predictions" / "tfidf.parquet").write_bytes(b"x")
        (folder / "ladder.json").write_text("{}")

    tracking.start_road("m", "run-2", {})
    artifact = make_artifact(Evaluation, "evaluate", tracking.workspace.root, fill)
    run = tracking.node_started("evaluate", {}, {})
    run.finished(artifact)
    tracking.end_road("FINISHED")
    names = {file.path for file in tracking.client.list_artifacts(run.run_id)}
    assert names == {"manifest.json", "ladder.json", "predictions", "tables"}
    assert [file.path for file in tracking.client.list_artifacts(run.run_id, "predictions")] == [
        "predictions/tfidf.parquet"
    ]


def test_runs_of_killed_processes_are_closed_and_those_of_living_ones_left_alone(tracking: Tracking) -> None:
    client = tracking.client
    tracking.start_road("m", "run-3", {})
    ended = subprocess.run(
        [sys.executable, "-c", "from tasks.runtime.processes import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    host, pid, _ = this_process().split(":")
    tags = {"gone": ended, "reused id": f"{host}:{pid}:1", "alive": this_process(), "elsewhere": "other-host:1:1"}
    runs = {name: client.create_run(tracking.experiment, tags={PROCESS: tag}).info.run_id for name, tag in tags.items()}
    tracking.start_road("m", "run-4", {})
    status = {name: client.get_run(run).info.status for name, run in runs.items()}
    assert status == {"gone": "KILLED", "reused id": "KILLED", "alive": "RUNNING", "elsewhere": "RUNNING"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": {"b": 1, "c": "x", "d": None, "e": True}}, [("a.b", 1.0)]),
        ({"rungs": [{"rung": "tfidf", "f1": 0.5}, {"f1": 0.6}]}, [("rungs.tfidf.f1", 0.5), ("rungs.1.f1", 0.6)]),
        ({}, []),
    ],
)
def test_numbers_in_nested_figures(value: Any, found: list[tuple[str, float]]) -> None:
    assert numbers(value) == found


def test_a_config_is_flat_and_loses_nothing() -> None:
    config = {"a": {"b": "x", "empty": {}}, "c": [1, {"d": 2}], "e": None}
    assert flat(config) == [("a.b", "x"), ("a.empty", "{}"), ("c", json.dumps([1, {"d": 2}])), ("e", "null")]


def test_what_mlflow_does_not_take_fails_no_node(tracking: Tracking) -> None:
    tracking.start_road("m", "run-5", {})
    run = tracking.node_started("select", {}, {})
    tracking.client.delete_run(run.run_id)
    corpus = make_artifact(Corpus, "select", tracking.workspace.root, lambda _: None, config={"of": "run-5"})
    run.finished(corpus)
    assert "must be in the 'active' state" in run.lost
    run.failed("later")
    tracking.client.delete_run(tracking.road)
    tracking.describe_road("note", {})
    tracking.end_road("FINISHED")
