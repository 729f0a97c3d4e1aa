"""A sample of what was kept and dropped, judged by a person, and the command that asks for it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import binomtest

from flows.__main__ import main
from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.curation.audit import allotted, read_answers, sample, wilson, write_sample
from tasks.curation.stage import clean, measure, select
from tasks.runtime.artifact import LabelledData
from tasks.runtime.errors import RefusedInput
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import Workspace
from tests.curation.test_what_if import BASE, DOCS, of, sentence
from tests.promotion.shop import make_artifact

TEXTS = [*DOCS, *["Lorem ipsum " + sentence(seed, 30) for seed in range(800, 806)], '=CMD("x") ' + sentence(900, 30)]


@pytest.fixture
def root(tmp_path: Path, run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any) -> Path:
    """A workspace with a selection."""
    root = tmp_path / "workspace"
    store = Store(Workspace(root))
    held_out = labels(test=[sentence(500, 60)]).path / "data"
    made = [make_artifact(LabelledData, "ingest.labels", root, lambda out: held_out.rename(out / "data"))]
    made.append(store.publish(run_stage(clean, CleanConfig(edits=()), raw(("docs", TEXTS))), Execution())[0])
    made.append(store.publish(run_stage(measure, MeasureConfig(), made[1], lid_model), Execution())[0])
    config = SelectConfig.model_validate(BASE)
    made.append(store.publish(run_stage(select, config, made[1], made[2], made[0]), Execution(started="2026"))[0])
    nodes = {one.node: NodeRecord(fingerprint=one.fingerprint, digest=one.digest, action="ran") for one in made}
    record = RunRecord(id="20260101T000000Z", config_file="textmill.yaml", started="2026", nodes=nodes)
    record.save(Workspace(root))
    return root


@pytest.mark.parametrize(("right", "judged"), [(0, 1), (1, 1), (8, 10), (33, 200), (200, 200)])
def test_the_interval_is_that_of_scipy(right: int, judged: int) -> None:
    expected = binomtest(right, judged).proportion_ci(method="wilson")
    assert wilson(right, judged) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0)


def test_strata_get_equal_shares_as_far_as_they_reach() -> None:
    assert allotted([100, 100, 3], 20) == [9, 8, 3]
    assert allotted([100, 1], 2) == [1, 1]
    assert allotted([2, 1], 20) == [2, 1]
    assert allotted([], 5) == []


def test_a_sample_comes_back_as_precision(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sample.csv"
    assert main(["select", "audit", str(root), "--n", "12", "--out", str(file), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["documents"]
    assert counts == {"kept": 3, "word_count": 2, "lorem_ipsum": 3, "decontaminate": 1, "near": 3}
    assert main(["select", "audit", str(root), "--n", "12", "--out", str(tmp_path / "again.csv")]) == 0
    assert file.read_bytes() == (tmp_path / "again.csv").read_bytes()
    rows = list(csv.DictReader(file.open(encoding="utf-8", newline="")))
    assert all(row["matched_text"] for row in rows if row["step"] in ("exact", "near"))
    assert {row["matched_text"] for row in rows if row["step"] == "decontaminate"} == {""}
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values() if cell)
    for at, row in enumerate(rows):
        row["right"] = "Yes " if row["step"] == "kept" else "no" if at % 2 else ""
    with file.open("w", encoding="utf-8", newline="") as target:
        table = csv.DictWriter(target, rows[0])
        table.writeheader()
        table.writerows(rows)
    capsys.readouterr()
    assert main(["select", "audit", "--read", str(file), "--json"]) == 0
    (kept,) = [row for row in json.loads(capsys.readouterr().out)["steps"] if row["step"] == "kept"]
    assert (kept["right"], kept["judged"], kept["precision"]) == (3, 3, 1.0)
    assert kept["low"] == pytest.approx(0.438503, abs=1e-6)  # 1 / (1 + z²/3)
    found = {row.step: row for row in read_answers(file)[1]}
    answers = Counter((row["step"], row["right"]) for row in rows)
    assert (found["near"].right, found["near"].judged) == (0, answers["near", "no"])
    assert found["near"].unjudged == answers["near", ""]


def test_every_document_may_be_drawn(root: Path) -> None:
    store = Workspace(root)
    parts = {node: next((store.artifacts / node).iterdir()) for node in ("clean", "select")}
    corpus, cleaned = (
        SimpleNamespace(path=path, metrics=_metrics(path), fingerprint="f", config={})
        for path in (parts["select"], parts["clean"])
    )
    rows = list(sample(corpus, cleaned, 1000))  # type: ignore[arg-type]  # what it uses of them
    assert len({row["document"] for row in rows}) == len(rows) == len(TEXTS)
    (spreadsheet,) = [row for row in rows if "CMD" in row["text"]]
    assert spreadsheet["text"].startswith('“=CMD("x") ')


def _metrics(path: Path) -> Any:
    return json.loads((path / "manifest.json").read_text())["metrics"]


def test_malformed_answers_are_refused_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    write_sample(file, iter([]))
    header = file.read_text().strip()
    empty = "," * (header.count(",") - 4)
    rows = [f"doc:1,s,near{empty},yes,f", f"doc:2,s,near{empty},maybe,f", f'doc:3,s,near,"two\nlines"{empty[1:]},no,f']
    file.write_text("\n".join([header, *rows, f"doc:4,s,{empty},no,f", f"doc:5,s,near{empty},no,f,no", "doc:6,s,near"]))
    with pytest.raises(RefusedInput) as refused:
        read_answers(file)
    for part in ("line 3: right='maybe'", "line 6: fewer cells than columns", "line 7: more", "line 8: fewer"):
        assert part in str(refused.value)
    assert "line 5" not in str(refused.value)
    file.write_text("\n".join([header, rows[0], rows[2]]))
    corpus, (near,) = read_answers(file)
    assert (corpus, near.right, near.judged) == ("f", 1, 2)
    file.write_text("\n".join([header, rows[0]]).replace(",", ";"))
    assert read_answers(file)[1][0].right == 1
    file.write_text("\n".join([header, rows[0], f"doc:7,s,near{empty},no,g"]))
    with pytest.raises(RefusedInput, match=r"one corpus, got select/f from line 2 on, select/g from line 3 on"):
        read_answers(file)
    file.write_text(header)
    with pytest.raises(RefusedInput, match="got no rows"):
        read_answers(file)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(RefusedInput, match=r"line 1: no column 'step'"):
        read_answers(file)
    with pytest.raises(RefusedInput, match=r"cannot be read \(No such file"):
        read_answers(tmp_path / "none.csv")


# --- the command ---


def test_what_if_is_told_by_name(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["lorem_ipsum.report_only=true", "near.threshold=0.9", "exact=false"]
    assert main(["select", "what-if", *changes, str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["key"], one["b"]) for one in told["changes"]] == [
        ("rules.lorem_ipsum.report_only", True),
        ("exact_duplicates", False),
        ("near_duplicates.threshold", 0.9),
    ]
    assert told["refitted"] == []
    assert told["moves"]["dropped to kept"]["by_step"]["lorem_ipsum"] == 6
    assert main(["select", "what-if", *changes, str(root), "--examples", "1"]) == 0
    said = capsys.readouterr().out
    assert "  near_duplicates.threshold  0.8 → 0.9" in said
    assert "Nothing was measured, trained or changed" in said
    assert "dropped to kept, 1 of " in said


def test_what_if_takes_a_file_of_documents_as_the_config_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents 12 and 15 have the same text."""
    (root / "drop.txt").write_text(f"{of(12)}  # asked for\ndoc:{32 * '0'}\n")
    assert main(["select", "what-if", "drop=drop.txt", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"][0]["b"] == [of(12), f"doc:{32 * '0'}"]
    assert told["listed"] == {"drop": {"listed": 2, "found": 1, "same_text": 1}}
    (drop,) = [row for row in told["steps"] if row["step"] == "drop"]
    assert drop["first"]["after"]["documents"] == 2
    assert main(["select", "what-if", "drop=drop.txt", str(root)]) == 0
    assert "select.drop: 2 ids; 1 are of no document that comes here; 1 other" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["what-if", "ROOT"], "what-if what?"),
        (["what-if", "keep=none.txt", "ROOT"], "none.txt cannot be read"),
        (["what-if", "repeated_passages.min_words=9", "ROOT"], "select.repeated_passages looks into texts"),
        (["what-if", "clean.edits=[]", "ROOT"], "what-if answers for word_count, lorem_ipsum, exact, near and for"),
        (
            ["what-if", "word_count.minimum=few", "ROOT"],
            "word_count.minimum = 'few' (command line): expected a valid int",
        ),
        (["what-if", "word_count.minimun=3", "ROOT"], "is no setting"),
        (["what-if", "near.bands=5", "ROOT"], "bands=5 does not divide"),
        (["what-if", "drop=[doc:1]", "ROOT"], "drop.0 = 'doc:1' (command line)"),
        (["what-if", "priority=[dox]", "ROOT"], "'dox', which is no source"),
        (["what-if", "word_count.minimum=3"], "nothing is selected yet"),
        (["what-if", "a.b=1", "ROOT", "--n", "3"], "--n belongs to: textmill select audit"),
        (["audit", "ROOT"], "audit needs --out FILE"),
        (["audit", "ROOT", "--n", "0", "--out", "x.csv"], "--n 0: expected 1 or more"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    words: list[str], sentence: str, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    assert main(["select", *(str(root) if word == "ROOT" else word for word in words)]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_the_card_is_drawn(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "textmill.yaml").write_text(
        "model: {name: tiny}\n"
        "ingest:\n"
        "  corpus: {sources: [{name: docs, path: none.txt, licence: MIT}]}\n"
        "  labels: {sources: [{name: labels, path: none.csv}]}\n"
    )
    assert main(["select", "card", str(root)]) == 0
    card = capsys.readouterr().out
    assert "| docs | MIT | 11 |" in card
    assert "| select | lorem_ipsum | 8 |" in card
