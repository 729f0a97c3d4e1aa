"""`textmill compare` of evaluations: intervals, flips, and what it says where something is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.__main__ import main
from flows.comparison.lines import WHY, printable, why
from tasks.comparison.corpora import Moved
from tasks.runtime.artifact import Artifact
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import DOCUMENTS, good_predictions, make_evaluation, make_labels, truths


def say(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str, code: int = 0) -> str:
    assert main(["compare", "--workspace", str(root), *arguments]) == code
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines()), default=0) <= 100
    return err if code else out


def record(root: Path, name: str, made: list[Artifact], **fields: Any) -> None:
    nodes = {one.node: NodeRecord(fingerprint=one.fingerprint, digest=one.digest, action="ran") for one in made}
    RunRecord(id=name, config_file="textmill.yaml", started="2026-01-01T00:00:00+00:00", nodes=nodes, **fields).save(
        Workspace(root)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs: in the second the student answers three documents otherwise, and its base lies on another test set."""
    labels = make_labels(tmp_path)
    changed = good_predictions()
    right = np.flatnonzero(changed["int8"] == truths())[:2]
    wrong = np.flatnonzero(changed["int8"] != truths())[:1]
    changed["int8"] = changed["int8"].copy()
    changed["int8"][right] = (truths()[right] + 1) % 3
    changed["int8"][wrong] = truths()[wrong]
    first = make_evaluation(tmp_path, {"labels": labels}, good_predictions())
    second = make_evaluation(tmp_path, {"labels": labels}, changed)
    third = make_evaluation(tmp_path, {"labels": labels}, changed, test_digest="t2")
    record(tmp_path, "20260101T000000Z", [labels, first], config={"finetune": {"dropout": 0.1}, "seeds": [1]})
    record(tmp_path, "20260102T000000Z", [labels, second], config={"finetune": {"dropout": 0.2}, "seeds": [1]})
    record(tmp_path, "20260103T000000Z", [labels, third])
    return tmp_path


def test_two_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(say(capsys, root, "last~2", "last~1", "--json"))
    assert report["settings"] == [{"key": "finetune.dropout", "a": 0.1, "b": 0.2}]
    assert report["nodes"]["different"] == ["evaluate"]
    scores = {(row["rung"], row["metric"]): row for row in report["scores"]}
    assert scores["tfidf", "accuracy"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    found = scores["int8", "accuracy"]
    assert found["difference"]["value"] == pytest.approx(-1 / DOCUMENTS)
    assert found["difference"]["value"] == pytest.approx(found["b"] - found["a"])
    assert found["difference"]["low"] < 0 <= found["difference"]["high"]
    flips = report["flips"]["int8"]
    assert flips["counts"] == {"right to wrong": 2, "wrong to right": 1, "wrong to wrong": 0}
    assert all(row["text"].startswith(f"public access to {row['label']}") for row in flips["examples"])
    assert (report["corpus"], report["why_no_corpus"]) == (None, "A has no corpus")


def test_the_lines(root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "flips.jsonl"
    said = say(capsys, root, "20260101", "20260102", "--examples", "1", "--flips", str(file))
    assert "B against A: student int8: macro-F1 −0.01" in said
    assert "neither better nor worse beyond chance; 3 predictions flipped" in " ".join(said.split())
    assert "student int8: 3 of 120 predictions flipped (2 right to wrong, 1 wrong to right)" in said
    assert " … and 2 more (--flips FILE writes all)" in said
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["rung"], row["turn"]) for row in rows] == [("int8", turn) for turn in ["right to wrong"] * 2] + [
        ("int8", "wrong to right")
    ]
    assert "student: 0 of 120 predictions flipped" in say(capsys, root, "last~2", "last~1", "--rung", "student")


def test_another_test_set_has_no_interval(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(say(capsys, root, "last~2", "last", "--json"))
    assert report["flips"] == {}
    assert {row["difference"] for row in report["scores"]} == {None}
    assert report["scores"][0]["why"] == "judged on another test set (120 and 120 documents, 120 of them shared)"
    said = say(capsys, root, "last~2", "last")
    assert "no intervals: judged on another test set" in said
    assert "−0.01, no interval" in said


def test_a_gone_labelled_set_leaves_the_scores(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(root / "artifacts" / "ingest.labels")
    said = say(capsys, root, "last~2", "last~1")
    assert "gone or damaged, so not compared: ingest.labels" in said
    assert "(its text is gone)" in said
    assert "class 0" in said


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["last", "evaluate"], "20260103T000000Z is a run and evaluate/"),
        (["ingest.labels", "evaluate"], "is a LabelledData and evaluate/"),
        (["last~2", "last", "--rung", "int8"], "--rung int8: no such step was judged on both sides. There are: none."),
        (["last~2", "last~1", "--rung", "x"], "There are: majority, tfidf, base, student, int8."),
        (["last", "last~9"], "3 runs are on record here"),
        (["last", "last", "--examples", "-1"], "--examples -1: expected 0 or more"),
        (["last~2", "last", "--flips", "no/such/folder/x"], "no/such/folder/x: cannot be written"),
    ],
)
def test_refusals(root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], refusal: str) -> None:
    assert refusal in say(capsys, root, *arguments, code=2)


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing has run here yet" in say(capsys, tmp_path, "last", "last", code=2)


def test_a_text_does_not_steer_the_terminal() -> None:
    assert printable("a\x1b[31mb\n\tc\u202e") == "a�[31mb c�"


def test_a_duplicate_names_its_twin_and_numbers_stay_whole() -> None:
    near = Moved("doc:b", "docs", "kept to dropped", "near", "near-duplicate", 0.88461538, 0.8, "doc:0123456789abcdef")
    assert why(near) == "near-duplicate of doc:0123456789 (0.8846, threshold 0.8)  "
    words = Moved("doc:b", "docs", "kept to dropped", "words", "words: too high " * 9, 123456.0, 100000.0)
    assert why(words).endswith(" (123456, threshold 100000)  ")
    assert len(why(words)) == WHY + 2
    assert why(Moved("doc:b", "docs", "dropped to kept", "", "", None, None)) == ""
