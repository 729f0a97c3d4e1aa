"""Labelled data: what is read, left out, grouped and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from pipeline_config.ingest import LabelsConfig, LabelSource
from tasks.corpus.account import Account
from tasks.corpus.document import document_id
from tasks.ingest.stage import ingest_labels
from tasks.runtime.errors import RefusedInput
from tests.ingest.sources import files_for, labels_config

GIVEN = {"kind": "given"}


def ingest(run_stage: Any, workspace: Path, config: LabelsConfig) -> Any:
    return run_stage(ingest_labels, config, files_for(config, workspace))


def table(count: int, labels: str = "ab") -> str:
    rows = [
        f"text number {n} is quite unlike the others because of {n * 7919},{labels[n % len(labels)]}"
        for n in range(count)
    ]
    return "text,label\n" + "\n".join(rows) + "\n"


def test_splits_load_with_datasets(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.csv", table(100))
    artifact = ingest(run_stage, tmp_path, labels_config("a.csv"))
    data = datasets.load_from_disk(str(artifact.path / "data"))
    assert list(data) == ["train", "validation", "test"]
    assert (
        {name: len(part) for name, part in data.items()}
        == artifact.metrics["splits"]
        == {
            "train": 70,
            "validation": 10,
            "test": 20,
        }
    )
    assert list(data["test"].features) == ["id", "external_id", "text", "label", "group"]
    assert data["test"].features["label"].names == ["a", "b"] == json.loads((artifact.path / "labels.json").read_text())
    row = data["train"][0]
    raw = f"{row['text']},{data['train'].features['label'].int2str(row['label'])}".encode()
    assert row["id"] == document_id("labelled", raw).hex()
    Account(**artifact.metrics["account"]).check()


def test_same_input_same_bytes(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.csv", table(60))
    one, other = (ingest(run_stage, tmp_path, labels_config("a.csv", max_train_examples=20)) for _ in range(2))
    assert one.digest == other.digest


def test_near_duplicates_stay_together_and_conflicts_are_listed(run_stage: Any, put: Any, tmp_path: Path) -> None:
    twin = "the storage bucket must not allow public access from the internet at all"
    put("a.csv", table(30) + f"{twin} today,a\n{twin} ever,b\n{twin} now,a\n")
    artifact = ingest(run_stage, tmp_path, labels_config("a.csv"))
    data = datasets.load_from_disk(str(artifact.path / "data"))
    homes = {(name, row["group"]) for name, part in data.items() for row in part if row["text"].startswith(twin)}
    assert len(homes) == 1
    assert artifact.metrics["groups"] == 31
    conflicts = pq.read_table(artifact.path / "conflicts.parquet").to_pylist()
    assert len(conflicts) == artifact.metrics["conflicts"] == 2
    assert {(row["label_1"], row["label_2"]) for row in conflicts} <= {("a", "b"), ("b", "a")}
    assert conflicts[0]["jaccard"] == pytest.approx(9 / 11)  # 13 + 1 words: 10 shingles each, 9 of them shared
    assert {conflicts[0]["line_1"], conflicts[0]["line_2"]} <= {32, 33, 34}


def test_group_column_is_kept_whole(run_stage: Any, put: Any, tmp_path: Path) -> None:
    rows = [
        {"text": f"entirely different words {n * 31}", "label": "ab"[n % 2], "family": f"f{n // 4}"} for n in range(40)
    ]
    put("a.jsonl", "\n".join(map(json.dumps, rows)))
    artifact = ingest(run_stage, tmp_path, labels_config("a.jsonl", source={"group": "family"}))
    data = datasets.load_from_disk(str(artifact.path / "data"))
    seen = [set(part["group"]) for part in data.values()]
    assert artifact.metrics["groups"] == 10 == sum(map(len, seen)) == len(set.union(*seen))


def test_what_is_left_out_is_counted(run_stage: Any, put: Any, tmp_path: Path) -> None:
    more = "rare one,c\nrare two,c\n,a\nno label,\nunwanted,d\nunwanted again,d\nunwanted still,d\nwrong,number,of\n"
    put("a.csv", table(40) + more)
    artifact = ingest(run_stage, tmp_path, labels_config("a.csv", min_label_count=3, drop="d", max_train_examples=10))
    assert artifact.metrics["splits"] == {"train": 10, "validation": 4, "test": 8}
    assert artifact.metrics["left_out"] == {"unlabelled": 1, "other_labels": 5, "unused_training": 18}
    account = Account(**artifact.metrics["account"]).check()
    assert (account.documents_in, account.documents_kept, account.documents_dropped) == (48, 22, 24)
    assert account.documents_quarantined == 2
    assert artifact.metrics["quarantined"] == {"wrong number of columns": 1, "empty text": 1}


def test_label_lists(run_stage: Any, put: Any, tmp_path: Path) -> None:
    def row(n: int, label: Any) -> str:
        return json.dumps({"text": f"words of row {n * 97} here", "label": label})

    lists = [row(n, ["ab"[n % 2]]) for n in range(20)] + [row(100, []), row(101, ["a", "b"]), row(102, [3])]
    put("a.jsonl", "\n".join(lists))
    artifact = ingest(run_stage, tmp_path, labels_config("a.jsonl", label_list="single", min_label_count=2))
    assert artifact.metrics["left_out"] == {"unlabelled": 2, "other_labels": 1, "unused_training": 0}
    put("b.jsonl", "\n".join([*lists[:1], *(row(n, "ab"[n % 2]) for n in range(20))]))
    artifact = ingest(run_stage, tmp_path, labels_config("b.jsonl"))
    assert artifact.metrics["quarantined"] == {"the label is a list": 1}


def test_personal_data_is_masked_where_that_is_asked_for(run_stage: Any, put: Any, tmp_path: Path) -> None:
    rows = [f"text number {n}: ask ann{n}@acme.io, password = k9#Vq2_mZ!{n}" for n in range(40)]
    put("a.jsonl", "".join(json.dumps({"text": text, "label": "ab"[n % 2]}) + "\n" for n, text in enumerate(rows)))

    def read(*kinds: str) -> list[str]:
        config = labels_config("a.jsonl", redact=[{"kind": kind} for kind in kinds], group_jaccard=1.0)
        data = datasets.load_from_disk(str(ingest(run_stage, tmp_path, config).path / "data"))
        return sorted(text for split in data.values() for text in split["text"])

    assert read() == sorted(rows)
    assert read("pii", "secrets") == sorted(
        f"text number {n}: ask <EMAIL>, password = <ASSIGNED_SECRET>" for n in range(40)
    )


def test_markup_is_taken_out(run_stage: Any, put: Any, tmp_path: Path) -> None:
    rows = [{"text": f"**bold {n * 13}** and `code`", "label": "ab"[n % 2]} for n in range(10)]
    put(
        "a.jsonl",
        "\n".join(map(json.dumps, [*rows, {"text": "***", "label": "a"}, {"text": "<!-- x -->", "label": "a"}])),
    )
    artifact = ingest(run_stage, tmp_path, labels_config("a.jsonl", markup="markdown"))
    data = datasets.load_from_disk(str(artifact.path / "data"))
    texts = {text for part in data.values() for text in part["text"]}
    assert texts == {f"bold {n * 13} and code" for n in range(10)}
    assert artifact.metrics["account"]["documents_quarantined"] == 2


def test_given_split_by_column_and_by_source(run_stage: Any, put: Any, tmp_path: Path) -> None:
    names = ["train", "dev", "TEST"]
    lines = [f"words {n * 17} of example,{'ab'[n % 2]},{names[n % 3]}" for n in range(30)]
    put("a.csv", "text,label,part\n" + "\n".join(lines))
    config = labels_config("a.csv", source={"split_column": "part"}, split=GIVEN)
    assert ingest(run_stage, tmp_path, config).metrics["splits"] == {"train": 10, "validation": 10, "test": 10}

    put("train.csv", table(50))
    put("test.csv", table(10))
    sources = tuple(LabelSource(name=name, path=f"{name}.csv", split=name) for name in ("train", "test"))
    config = LabelsConfig.model_validate({"sources": sources, "split": {"kind": "given", "validation": 0.2}})
    artifact = ingest(run_stage, tmp_path, config)
    assert artifact.metrics["splits"] == {"train": 40, "validation": 10, "test": 10}
    assert artifact.metrics["groups_across_splits"] == 10  # the ten test texts stand among the training texts, too


def test_an_empty_split_is_refused(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.csv", "text,label\none,a\ntwo,b\n")
    with pytest.raises(RefusedInput, match="split is empty: 2 examples of 2 labels"):
        ingest(run_stage, tmp_path, labels_config("a.csv"))
