"""Versions, aliases, gates and the ledger by the command line; and what can be shown and asked of a version."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.conftest import Road
from tests.e2e.test_road import FINETUNED, REUSED
from tests.e2e.workspace import Textmill, clone, planned, ran, text_of

TEXT = text_of("logging", random.Random(3))
CHANGED = [*FINETUNED, "distill", "compress", "evaluate"]


@pytest.fixture(scope="module")
def second(road: Road, server: str, tmp_path_factory: pytest.TempPathFactory) -> Textmill:
    """The road run again with another learning rate."""
    copy = clone(road.textmill, tmp_path_factory.mktemp("second") / "workspace")
    textmill = copy.with_environment(PREFECT_API_URL=server)
    plan = textmill.plan("finetune.learning_rate=8e-4")
    for node in FINETUNED:
        assert plan[node] == ("run", "finetune.learning_rate 0.001 → 0.0008"), node
    assert plan["distill"] == ("run", "input finetune.base changed")
    assert planned(plan) == CHANGED
    report = textmill.run("finetune.learning_rate=8e-4")
    assert ran(report) == CHANGED
    assert report["judged"] == 2
    assert report["promotion"]["promoted"]
    return textmill


def ledger(textmill: Textmill) -> list[tuple[str, int | None, int | None, str]]:
    """Action, champion and previous after it, reason."""
    entries = [json.loads(line) for line in (textmill.root / "ledger.jsonl").read_text().splitlines()]
    assert all(entry["when"] and entry["model"] == "tiny" for entry in entries)
    return [(entry["action"], entry["to"]["champion"], entry["to"]["previous"], entry["reason"]) for entry in entries]


def aliases(textmill: Textmill) -> dict[str, int]:
    """As MLflow has them."""
    with sqlite3.connect(textmill.root / "mlflow.db") as connection:
        query = "SELECT alias, version FROM registered_model_aliases WHERE name = 'tiny'"
        return {alias: int(version) for alias, version in connection.execute(query)}


def test_another_learning_rate_reruns_what_it_concerns_and_going_back_reuses(second: Textmill) -> None:
    assert second.plan() == REUSED
    assert second.plan("finetune.learning_rate=8e-4") == REUSED


def test_promote_rollback_promote(second: Textmill, tmp_path: Path) -> None:
    shop = clone(second, tmp_path / "shop")
    assert aliases(shop) == {"champion": 6, "previous": 3, "challenger": 6}
    assert ledger(shop) == [("promote", 3, None, ""), ("promote", 6, 3, "")]

    assert "version 3 is champion again" in shop("rollback", "tiny").out
    assert aliases(shop) == {"champion": 3, "challenger": 6}
    assert "version 6 (int8) is champion" in shop("promote", "tiny", "6").out
    assert aliases(shop) == {"champion": 6, "previous": 3, "challenger": 6}
    assert "champion already" in shop("promote", "tiny", "6").out
    assert [entry[:3] for entry in ledger(shop)[2:]] == [("rollback", 3, None), ("promote", 6, 3)]

    shop("rollback", "tiny", "--json")
    assert shop("rollback", "tiny", "--json").json["to"] == {"champion": None, "previous": None}
    assert aliases(shop) == {"challenger": 6}
    entries = len(ledger(shop))
    assert "no promotion is left to undo" in shop("rollback", "tiny", code=2).err
    assert len(ledger(shop)) == entries


@pytest.mark.long
def test_a_refused_gate_leaves_the_champion(copy: Textmill) -> None:
    """Another candidate meets a baseline that reads parts of words, and so is as good as any model here."""
    changed = ("evaluate.tfidf.character_ngrams=[3, 5]", "promotion.variant=student")
    done = copy("run", "--json", *changed, code=3)
    assert ran(done.json) == ["evaluate"]
    promotion = done.json["promotion"]
    assert (promotion["promoted"], promotion["passed"], promotion["champion"]) == (False, False, 3)
    assert "above TF-IDF" in [gate["name"] for gate in promotion["gates"] if not gate["passed"]]
    assert "version 2 is not promoted: it" in done.err
    assert "gains nothing certain over TF-IDF" in done.err
    assert '--override "why"' in done.err
    assert aliases(copy) == {"champion": 3, "challenger": 2}
    record = json.loads((copy.root / "runs" / done.json["run"] / "run.json").read_text())
    assert record["status"] == "completed"

    assert "refused" in copy("promote", "tiny", "2", code=3).out
    assert ledger(copy) == [("promote", 3, None, "")]
    assert "against its gates" in copy("promote", "tiny", "2", "--override", "for a test").out
    assert aliases(copy) == {"champion": 2, "previous": 3, "challenger": 2}
    assert ledger(copy)[1:] == [("promote", 2, 3, "for a test")]
    copy("rollback", "tiny")
    assert aliases(copy) == {"champion": 3, "challenger": 2}


def test_a_version_survives_the_artifacts(road: Road, copy: Textmill) -> None:
    shutil.rmtree(copy.root / "artifacts")
    (copy.root / "artifacts").mkdir()
    here = road.textmill("predict", "tiny", "--text", TEXT, "--json").json
    assert copy("predict", "tiny", "--text", TEXT, "--json").json == here
    assert "stands" in copy("show", "tiny@champion").out


def test_predict(road: Road, tmp_path: Path) -> None:
    shown = road.textmill("predict", "tiny@champion", "--text", TEXT).out
    assert shown.split()[0] == "logging"
    rows = tmp_path / "in.jsonl"
    rows.write_text(
        json.dumps({"id": 1, "text": TEXT})
        + "\nnot json\n"
        + json.dumps({"id": 2, "text": text_of("exposure", random.Random(4))})
    )
    out = tmp_path / "out.jsonl"
    done = road.textmill("predict", "tiny", "--file", str(rows), "--out", str(out), "--json")
    assert (done.json["labelled"], done.json["not_labelled"], done.json["version"]) == (2, 1, 3)
    one, bad, two = [json.loads(line) for line in out.read_text().splitlines()]
    assert (one["label"], two["label"], bad["line"]) == ("logging", "exposure", 2)
    assert 1 / 3 < one["score"] <= 1
    for arguments, words in (
        (("tiny@nobody", "--text", "x"), "no alias 'nobody'"),
        (("tony", "--text", "x"), "Registered models"),
        (("tiny", "--file", "nowhere.jsonl"), "nowhere.jsonl: cannot be read"),
        (("tiny-encoder/1", "--text", "x"), "does not label texts"),
    ):
        assert words in road.textmill("predict", *arguments, code=2).err


def test_show(road: Road, tmp_path: Path) -> None:
    show = road.textmill
    nodes = show("show").out
    assert nodes.startswith(f"run {road.report['run']}: textmill.yaml, completed")
    assert "finetune.adapted" in nodes
    assert [row["state"] for row in show("show", "--json").json["nodes"]] == ["intact"] * 16

    node = show("show", "finetune.adapted").out
    for word in ("learning_rate", "pretrain", "select", "data/events.jsonl", "base/model.safetensors"):
        assert word in node
    ladder = [line for line in road.textmill("show", "evaluate").out.splitlines() if "student int8" in line]
    assert re.search(r"^10 student int8 +0\.\d\d ±", ladder[0])
    files = {name for entry in show("show", "evaluate", "--json").json["lineage"] for name in entry.get("files", ())}
    assert {"data/events.jsonl", "data/labels.csv", "data/general.txt", "base/model.safetensors"} <= files

    model = show("show", "tiny@champion").out
    assert model.startswith("tiny version 3 (int8): @challenger, @champion")
    assert "data/labels.csv" in model
    assert show("show", "tiny").out == model
    assert [row["node"] for row in show("show", "finetune", "--json").json["nodes"]] == ["finetune.frozen", *FINETUNED]
    assert show("show", "tiny/3", "--json").json["aliases"] == ["challenger", "champion"]
    assert show("show", "tiny-encoder/1", "--json").json["tags"]["variant"] == "encoder"

    short = tmp_path / "short.txt"
    short.write_text("two words")
    fate = show("show", str(short)).out
    assert "dropped" in fate
    assert "2, threshold 4" in fate
    assert "nothing" not in show("show", str(short), "--json").json["decision"]

    refused = show("show", "finetune.adaptd", code=2).err
    assert "is no node or stage that has run here" in refused
    assert "no alias 'nobody'" in show("show", "tiny@nobody", code=2).err


def test_show_the_fate_of_documents(road: Road) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    (selected,) = road.textmill.artifacts("select")
    rows = pq.read_table(selected / "ledger.parquet").to_pylist()
    by_step = {row["step"] or row["decision"]: row for row in rows}
    kept = road.textmill("show", f"doc:{by_step['kept']['id'].hex()}", "--json").json
    assert kept["decision"] == "kept"
    (packed,) = road.textmill.artifacts("pack")
    documents, held_out = (np.load(packed / f"{name}.npy") for name in ("documents", "heldout"))
    for document, unseen in ((documents[held_out][0], True), (documents[~held_out][0], False)):
        told = road.textmill("show", f"doc:{document.tobytes().hex()}", "--json").json
        assert ("pretrain" in told["seen_by"]) != unseen
        assert ("held out of pretraining" in told["lines"][-1]) == unseen
    (labels,) = road.textmill.artifacts("ingest.labels")
    for split in ("train", "test"):
        (shard,) = (labels / "data" / split).glob("*.arrow")
        with pa.ipc.open_stream(shard) as table:
            document = table.read_all()["id"][0].as_py()
        assert road.textmill("show", f"doc:{document}", "--json").json["split"] == split
    dropped = [row for row in rows if row["decision"] == "dropped"]
    assert len(dropped) == 2, "the short one, and one of two that are equal"
    for row in dropped:
        said = road.textmill("show", f"doc:{row['id'].hex()}").out
        if row["matched_id"]:
            assert row["matched_id"].hex()[:8] in said
        else:
            assert "words" in said
            assert "(2, threshold 4)" in said
    assert "doc:" in road.textmill("show", "doc:ffffffffffffffff", code=2).err
