"""`textmill clean`: what is kept for what, what goes, and that it disturbs nobody."""

from __future__ import annotations

import io
import json
import shutil
import signal
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from flows.cleaning import look, remove
from tasks.runtime.registry import Registry
from tasks.runtime.runs import RunRecord, new_run, under_way
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace, file_lock
from tests.e2e.conftest import Road
from tests.e2e.workspace import NODES, Textmill, kill_group, started, wait_for

AFTER_FINETUNING = ["compress", "distill", "evaluate", "finetune.adapted", "finetune.base", "finetune.compact"]


def forget_versions(textmill: Textmill) -> None:
    client = Registry(Workspace(textmill.root)).client
    for model in ("tiny", "tiny-encoder"):
        client.delete_registered_model(model)


def newer_run(textmill: Textmill) -> tuple[Workspace, RunRecord]:
    """The record of a run that used nothing, so that the last run keeps nothing."""
    workspace = Workspace(textmill.root)
    record = new_run(workspace, textmill.root / "other.yaml", ())
    record.save(workspace)
    return workspace, record


def change_finetuning(textmill: Textmill) -> None:
    config = textmill.root / "textmill.yaml"
    config.write_text(config.read_text().replace("  max_seq_length: 48", "  max_seq_length: 48\n  dropout: 0.2"))


@pytest.fixture
def unneeded(copy: Textmill) -> Textmill:
    """A workspace whose config leads to other models than those that lie there, and nothing else needs these."""
    change_finetuning(copy)
    forget_versions(copy)
    newer_run(copy)
    return copy


def clean(textmill: Textmill, *arguments: str, code: int = 0) -> str:
    """What the command says, called in this process: it starts none."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(["clean", "--workspace", str(textmill.root), *arguments]) == code
    return out.getvalue()


def asked(textmill: Textmill, *arguments: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(clean(textmill, "--json", *arguments))
    return report


def nodes_to_remove(report: dict[str, Any]) -> list[str]:
    return sorted(row["path"].split("/")[1] for row in report["remove"] if row["path"].startswith("artifacts/"))


def test_what_keeps_an_artifact(copy: Textmill, road: Road) -> None:
    before = asked(copy)
    assert before["remove"] == []
    assert sorted(held["node"] for held in before["held"]) == sorted(NODES)
    reasons = {held["node"]: held["kept_for"] for held in before["held"]}
    assert reasons["evaluate"] == ["textmill.yaml", "last run", "tiny 1", "tiny 2", "tiny 3"]
    assert reasons["pretrain"][-1] == "tiny-encoder 1"
    assert "Nothing to remove: everything is needed." in clean(copy)
    change_finetuning(copy)
    assert asked(copy)["remove"] == []  # for the versions, and for the last run
    forget_versions(copy)
    assert asked(copy)["remove"] == []  # for the last run
    newer_run(copy)
    assert nodes_to_remove(asked(copy)) == AFTER_FINETUNING
    (copy.root / "second.yaml").write_text((road.root / "textmill.yaml").read_text())
    (copy.root / "compose.yaml").write_text("services: {web: {}}\n")  # none of ours
    report = asked(copy)
    assert (report["remove"], report["notes"]) == ([], [])


def test_without_yes_nothing_is_removed(unneeded: Textmill) -> None:
    there = {node: unneeded.artifacts(node) for node in NODES}
    said = clean(unneeded)
    assert "6 folders to remove" in said
    *lines, command = said.splitlines()
    assert command == f"  textmill clean --yes --workspace {unneeded.root}"
    assert max(map(len, lines)) <= 100
    assert there == {node: unneeded.artifacts(node) for node in NODES}


def test_yes_removes_what_nothing_needs(unneeded: Textmill) -> None:
    dry = asked(unneeded)
    report = asked(unneeded, "--yes")
    assert report["removed"] == [row["path"] for row in dry["remove"]]
    assert report["freed_bytes"] == dry["bytes"] > 0
    assert [node for node in NODES if not unneeded.artifacts(node)] == [n for n in NODES if n in AFTER_FINETUNING]
    assert not list(unneeded.root.rglob(".doomed-*"))
    plan = unneeded.plan()
    assert {plan[node] for node in NODES if node not in AFTER_FINETUNING} == {("reuse", "")}
    assert "Nothing to remove" in clean(unneeded, "--yes")


def test_leftovers_and_old_records(copy: Textmill) -> None:
    workspace = Workspace(copy.root)
    (first,) = workspace.runs.iterdir()
    for number in range(60):
        old = workspace.runs / f"20200101T0000{number:02}Z"
        shutil.copytree(first, old)
        record = json.loads((old / "run.json").read_text())
        (old / "run.json").write_text(json.dumps({**record, "id": old.name}))
    (workspace.logs / "20200101T000000Z").mkdir(parents=True)
    dead = workspace.work("pretrain", "0" * 32)
    dead.mkdir(parents=True)
    half = workspace.artifacts / "clean" / ".doomed-abc-4194305-1"  # no process has this number
    half.mkdir()
    resumed = workspace.work("compress", copy.artifacts("compress")[0].name)
    shutil.rmtree(copy.artifacts("compress")[0])
    resumed.mkdir(parents=True)
    registering = workspace.root / ".registering-x"
    registering.mkdir()
    with file_lock(workspace.root / ".promotion.lock"):
        report = asked(copy, "--yes")
    removed = report["removed"]
    (skipped,) = report["skipped"]
    assert skipped.startswith(".registering-x: process")
    assert asked(copy, "--yes")["removed"] == [registering.name]
    assert {"work/pretrain/" + "0" * 32, "artifacts/clean/" + half.name, "logs/20200101T000000Z"} <= set(removed)
    assert resumed.exists()  # the next run goes on from it
    kept = {path.name for path in workspace.runs.iterdir()}
    assert len(kept) == 50
    assert first.name in kept
    assert "20200101T000000Z" not in kept


def test_a_config_that_cannot_be_planned_keeps_what_its_runs_used(unneeded: Textmill) -> None:
    (unneeded.root / "textmill.yaml").write_text("model: {name: tiny}\nlabels: [\n")
    report = asked(unneeded)
    assert nodes_to_remove(report) == []
    (note,) = report["notes"]
    assert "textmill.yaml cannot be planned, so all that its runs used is kept" in note


def test_a_registry_that_cannot_be_asked_is_a_refusal(
    unneeded: Textmill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    clean(unneeded, "--yes", code=2)
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err
    assert unneeded.artifacts("evaluate")


def test_the_own_registry_counts_beside_a_server(
    copy: Textmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_finetuning(copy)
    newer_run(copy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    assert asked(copy)["remove"] == []


def test_what_a_run_under_way_uses_stays(unneeded: Textmill) -> None:
    workspace = Workspace(unneeded.root)
    (distilled,) = unneeded.artifacts("distill")
    record = new_run(workspace, unneeded.root / "textmill.yaml", ("finetune.dropout=0.1",))
    record.plan = {"distill": distilled.name}
    (evaluated,) = unneeded.artifacts("evaluate")
    with under_way(workspace, record), file_lock(workspace.work("evaluate", evaluated.name).with_suffix(".lock")):
        newer_run(unneeded)
        report = asked(unneeded, "--yes")
    assert distilled.exists()
    assert evaluated.exists()
    (skipped,) = report["skipped"]
    assert "evaluate" in skipped
    assert "works on it" in skipped
    clean(unneeded, "--yes")
    assert not distilled.exists()
    assert not evaluated.exists()


def test_what_a_run_uses_that_began_after_the_look_stays(unneeded: Textmill) -> None:
    workspace = Workspace(unneeded.root)
    cache = look(Store(workspace))
    (distilled,) = unneeded.artifacts("distill")
    record = new_run(workspace, unneeded.root / "textmill.yaml", ("finetune.dropout=0.1",))
    record.plan = {"distill": distilled.name}
    with under_way(workspace, record):
        removed = remove(workspace, cache)
    assert removed.skipped == (f"artifacts/distill/{distilled.name}: a run that began meanwhile uses it",)
    assert distilled.exists()
    assert not unneeded.artifacts("evaluate")


def test_a_kill_in_the_middle_leaves_no_half_artifact(unneeded: Textmill) -> None:
    """One artifact has so many files that its removal can be caught."""
    (artifact,) = unneeded.artifacts("compress")
    for folder in range(20):
        (artifact / f"many{folder}").mkdir()
        for number in range(1000):
            (artifact / f"many{folder}" / str(number)).touch()
    with started(unneeded, "clean", "--yes") as process:
        doomed = wait_for(lambda: list(artifact.parent.glob(".doomed-*")), process=process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert doomed[0].exists(), "it was too fast to be caught"
    assert not artifact.exists()
    assert unneeded.plan()["compress"][0] == "run"
    clean(unneeded, "--yes")
    assert not list(unneeded.root.rglob(".doomed-*"))
    assert not unneeded.artifacts("evaluate")


@pytest.mark.long
def test_cleaning_during_a_run(unneeded: Textmill) -> None:
    process = unneeded.start("run", "--json", "finetune.num_train_epochs=2", "--until", "finetune.base")
    try:
        while process.poll() is None:
            clean(unneeded, "--yes", "--json")
            time.sleep(0.2)
        out, err = process.communicate()
    finally:
        kill_group(process)
    assert process.returncode == 0, err
    made = {node["name"]: node["fingerprint"] for node in json.loads(out)["nodes"]}
    assert all((unneeded.root / "artifacts" / node / fingerprint).is_dir() for node, fingerprint in made.items())
