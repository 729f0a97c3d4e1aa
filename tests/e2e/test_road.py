"""The whole road from the command line: what runs, what is reused, and that `plan` said so before."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.conftest import Road
from tests.e2e.workspace import NODES, Textmill, clone, planned, ran

FINETUNED = ["finetune.base", "finetune.compact", "finetune.adapted"]
REUSED = dict.fromkeys(NODES, ("reuse", ""))


def test_the_first_run(road: Road) -> None:
    assert road.planned == dict.fromkeys(NODES, ("run", "never run"))
    assert [node["name"] for node in road.report["nodes"]] == NODES
    assert {node["action"] for node in road.report["nodes"]} == {"ran"}
    assert all(node["seconds"] > 0 and len(node["digest"]) == 64 for node in road.report["nodes"])
    models = [(one["name"], one["version"], one["variant"]) for one in road.report["models"]]
    assert models == [
        ("tiny", 1, "teacher"),
        ("tiny", 2, "student"),
        ("tiny", 3, "int8"),
        ("tiny-encoder", 1, "encoder"),
    ]
    promotion = road.report["promotion"]
    assert (promotion["promoted"], promotion["champion"], promotion["former"]) == (True, 3, None)
    assert road.report["judged"] == 1
    record = json.loads((road.root / "runs" / road.report["run"] / "run.json").read_text())
    assert record["status"] == "completed"
    assert list(record["nodes"]) == NODES
    assert "16 nodes, 16 to run" in road.first.err
    for node in NODES:
        assert re.search(rf"^ {node} +ran ", road.first.err, re.MULTILINE), node


def test_progress_is_plain_where_nobody_looks(road: Road) -> None:
    assert "\x1b" not in road.first.err
    assert "\r" not in road.first.err
    assert not re.search("warning", road.first.err, re.IGNORECASE)


def test_another_port_is_taken_if_the_usual_one_is_in_use(road: Road) -> None:
    """The fixture held port 4200 while the road ran."""
    (port,) = re.findall(
        r"Started a Prefect server for this workspace in \d+ s: http://127\.0\.0\.1:(\d+)\n", road.first.err
    )
    assert port != "4200"


def test_nothing_lies_outside_of_what_a_workspace_holds(road: Road) -> None:
    expected = {"artifacts", "base", "data", "judgements.jsonl", "ledger.jsonl", "logs", "mlflow", "mlflow.db", "runs"}
    seen = {path.name for path in road.root.iterdir() if not path.name.startswith(".")}
    assert seen - expected <= {"textmill.yaml", "server.json", "work"}
    left = [path for path in (road.root / "work").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_a_second_run_reuses_every_node(road: Road, copy: Textmill) -> None:
    assert copy.plan() == REUSED
    plan = copy("plan").out
    assert "Nothing to run: every node is reused." in plan
    again = copy.run()
    assert ran(again) == []
    assert [node["digest"] for node in again["nodes"]] == [node["digest"] for node in road.report["nodes"]]
    assert [one["new"] for one in again["models"]] == [False] * 4
    assert again["judged"] == 1
    assert again["promotion"]["champion"] == 3
    assert (copy.root / "ledger.jsonl").read_text() == (road.root / "ledger.jsonl").read_text()
    assert tracked(copy.root) == tracked(road.root) | {"FINISHED": tracked(road.root)["FINISHED"] + 1}


def tracked(root: Path) -> dict[str, int]:
    """Runs in MLflow by status."""
    with sqlite3.connect(root / "mlflow.db") as connection:
        return dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())


def test_every_node_is_tracked_once(road: Road) -> None:
    assert tracked(road.root) == {"FINISHED": len(NODES) + 1}


def test_deleted_damaged_and_forced_nodes_run_alone(road: Road, copy: Textmill) -> None:
    (selected,) = copy.artifacts("select")
    shutil.rmtree(selected)
    (frozen,) = copy.artifacts("finetune.frozen")
    content = bytearray((frozen / "head.safetensors").read_bytes())
    content[-1] ^= 1
    (frozen / "head.safetensors").write_bytes(content)

    doctor = copy("doctor", "--no-timing", "--verify", code=1).out
    assert re.search(r"BAD +artifact +finetune\.frozen/\w+: damaged: head\.safetensors", doctor)
    assert "textmill run makes it again" in doctor
    assert "14 of 15 are intact" in doctor

    plan = copy.plan("--force", "compress")
    assert plan["select"] == ("run", "its artifact was deleted")
    assert plan["finetune.frozen"] == ("run", "damaged: head.safetensors")
    assert plan["compress"] == ("run", "forced")
    assert plan["pretrain"] == ("reuse", "if select comes out equal")
    assert plan["evaluate"] == ("reuse", "if finetune.frozen and select and compress come out equal")
    assert planned(plan) == ["select", "finetune.frozen", "compress"]
    report = copy.run("--force", "compress")
    assert ran(report) == planned(plan)
    assert [node["digest"] for node in report["nodes"]] == [node["digest"] for node in road.report["nodes"]]
    assert report["judged"] == 1
    assert copy.plan() == REUSED
    assert "16 of 16 are intact" in copy("doctor", "--no-timing", "--verify", code=None).out


def test_changed_labels_run_first_and_what_depends_on_them_after(copy: Textmill) -> None:
    with (copy.root / "data/labels.csv").open("a") as file:
        file.write("new,new,The record of monitors is traced.,logging\r\n")
    plan = copy.plan()
    assert plan["ingest.labels"] == ("run", "file data/labels.csv changed")
    assert plan["select"] == ("run", "input ingest.labels changed")
    assert plan["finetune.base"] == ("run", "input ingest.labels changed")
    before = ["ingest.corpus", "ingest.general", "clean", "measure"]
    assert planned(plan) == [node for node in NODES if node not in before]
    refused = copy("run", "--json", "--from", "pack", code=2).err
    assert "--from pack: ingest.labels comes before it" in refused
    assert re.search(r"Run it first: textmill run.* --until ingest\.labels\n", refused)
    assert ran(copy.run("--until", "ingest.labels")) == ["ingest.labels"]
    assert planned(copy.plan()) == [node for node in NODES if node not in [*before, "ingest.labels"]]


@pytest.mark.long
def test_two_workspaces_at_once(road: Road, plain: Textmill, tmp_path: Path) -> None:
    """Each with a server of its own, while a third stands."""
    shops = [clone(plain, tmp_path / name) for name in ("one", "two")]
    for shop in shops:  # a database that is there already saves most of a server's start
        (shop.root / ".prefect").mkdir()
        with sqlite3.connect(road.root / ".prefect/prefect.db") as source:
            source.backup(sqlite3.connect(shop.root / ".prefect/prefect.db"))
    processes = []
    try:
        processes = [shop.start("run", "--json", "--until", "ingest.corpus") for shop in shops]
        for process in processes:
            out, err = process.communicate(timeout=100)
            assert process.returncode == 0, err
            assert ran(json.loads(out)) == ["ingest.corpus"]
        ports = {shop("server", "status", "--json").json["port"] for shop in (road.textmill, *shops)}
        assert len(ports) == 3
    finally:
        for shop in shops:
            shop("server", "stop")


def test_a_stage_alone(copy: Textmill) -> None:
    report = copy.run("--only", "finetune")
    assert ran(report) == []
    assert [node["name"] for node in report["nodes"]] == NODES[: NODES.index("finetune.adapted") + 1]
