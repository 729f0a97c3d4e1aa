"""`textmill show` without a reference tells of one run: the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.__main__ import main
from tasks.runtime.artifact import Evaluation, LabelledData
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import make_artifact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The newest run stopped after its first node; an older one went further."""
    old = make_artifact(LabelledData, "ingest.labels", tmp_path, lambda _: None, config={"seed": 1})
    new = make_artifact(LabelledData, "ingest.labels", tmp_path, lambda _: None, config={"seed": 2})
    judged = make_artifact(Evaluation, "evaluate", tmp_path, lambda _: None, metrics={"test_digest": "t"})
    for name, made in (("20260101T000000Z", [old, judged]), ("20260102T000000Z", [new])):
        nodes = {one.node: NodeRecord(fingerprint=one.fingerprint, digest=one.digest, action="ran") for one in made}
        record = RunRecord(id=name, config_file="textmill.yaml", overrides=("a=1",), started=name, nodes=nodes)
        record.save(Workspace(tmp_path))
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> str:
    assert main(["show", "--workspace", str(root), *arguments]) == 0
    return capsys.readouterr().out


def test_the_newest_run_and_no_other(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, root)
    assert said.startswith("run 20260102T000000Z: textmill.yaml a=1, running, started ")
    assert "of earlier runs: evaluate" in said
    report = json.loads(shown(capsys, root, "--json"))
    assert [row["node"] for row in report["nodes"]] == ["ingest.labels"]
    assert (report["run"]["id"], report["not_in_this_run"]) == ("20260102T000000Z", ["evaluate"])


def test_an_earlier_run_and_an_earlier_artifact(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(shown(capsys, root, "last~1", "--json"))
    assert [row["node"] for row in report["nodes"]] == ["ingest.labels", "evaluate"]
    old = report["nodes"][0]["fingerprint"]
    assert "seed: 1" in shown(capsys, root, f"ingest.labels/{old[:8]}")
    assert "seed: 2" in shown(capsys, root, "ingest.labels")


def test_an_evaluation_that_counted_other_things_shows_what_it_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "  test_digest: t" in shown(capsys, root, "evaluate")


def test_a_run_that_reached_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RunRecord(id="20260103T000000Z", config_file="textmill.yaml", started="", status="failed").save(Workspace(root))
    assert "no node was reached" in shown(capsys, root)
