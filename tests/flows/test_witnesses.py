"""What saw a document is asked of the artifacts."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest

from flows import cleaning
from flows.commands import show
from flows.witnesses import labelled, seen_before, seen_by
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.runtime.errors import RefusedInput

DOCUMENTS = [*sorted(document_id("docs", bytes([at])) for at in range(4)), document_id("notes", b"")]
SOURCES = ["docs"] * 4 + ["notes"]


class Shelf:
    """A store of three artifacts."""

    def __init__(self, root: Path, configs: dict[str, dict[str, Any]]) -> None:
        self.workspace = SimpleNamespace(artifact=lambda node, _: root / node)
        self.configs = configs

    def verify(self, folder: Path) -> tuple[Any, str | None]:
        of = {"pretrain": "pack", "distill": "select"}.get(folder.name)
        inputs = {"x": SimpleNamespace(node=of, fingerprint="1")} if of else {}
        return SimpleNamespace(inputs=inputs, config=self.configs.get(folder.name, {})), None


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """The first document of all is held out of pretraining; distill draws two of `docs`."""
    order = np.argsort(np.array([document.hex() for document in DOCUMENTS]))
    rows = [{"id": DOCUMENTS[at], "source": SOURCES[at], "text": "words", "metadata": "{}"} for at in order]
    write_documents(tmp_path / "select" / "documents", document_table(rows))
    pack = tmp_path / "pack"
    pack.mkdir()
    np.save(pack / "documents.npy", np.stack([np.frombuffer(row["id"], np.uint8) for row in rows]))
    np.save(pack / "heldout.npy", np.array([row["id"] == DOCUMENTS[0] for row in rows]))
    np.save(pack / "sources.npy", np.array([["docs", "notes"].index(row["source"]) for row in rows], np.int32))
    (pack / "packed.json").write_text(json.dumps({"sources": ["docs", "notes"]}))
    configs: dict[str, dict[str, Any]] = {
        "pretrain": {"mixture": {"notes": 0.0}},
        "distill": {"transfer_sources": ["docs"], "max_transfer_documents": 2},
    }
    return Shelf(tmp_path, configs)


def test_each_document_is_seen_by_what_drew_it(shelf: Any) -> None:
    nodes = {"pack": "1", "pretrain": "1", "select": "1", "distill": "1"}
    assert [seen_by(shelf, nodes, document) for document in DOCUMENTS] == [
        (["distill"], "held out of pretraining"),
        (["pretrain", "distill"], ""),
        (["pretrain"], ""),
        (["pretrain"], ""),
        ([], ""),
    ]
    assert seen_by(shelf, {"pack": "1", "select": "1"}, DOCUMENTS[1]) == ([], "")
    assert seen_by(shelf, nodes, b"0" * 16) == ([], "")


@pytest.mark.usefixtures("shelf")
def test_what_was_taken_down_names_all_that_was_made_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two trainings one read the source; the older version of a model was made from that one."""
    artifacts = tmp_path / "artifacts"
    for name in ("pretrain/1", "pretrain/2", "distill/3", "finetune.adapted/4", "finetune.adapted/5", "compress/6"):
        (artifacts / name).mkdir(parents=True)
    inputs = {
        "pretrain/1": [("pack", "1")],
        "pretrain/2": [("pack", "1")],
        "distill/3": [("select", "1")],
        "finetune.adapted/4": [("pretrain", "1")],
        "finetune.adapted/5": [("pretrain", "2")],
        "compress/6": [("finetune.adapted", "4")],
    }
    configs = {
        "pretrain/1": {"mixture": {}},
        "pretrain/2": {"mixture": {"notes": 0.0}},
        "distill/3": {"transfer_sources": ["docs"], "max_transfer_documents": 2},
    }

    class Older:
        workspace = SimpleNamespace(
            artifacts=artifacts,
            artifact=lambda node, name: tmp_path / node if node in ("pack", "select") else artifacts / node / name,
        )

        def verify(self, folder: Path) -> tuple[Any, str]:
            name = f"{folder.parent.name}/{folder.name}"
            made = {
                at: SimpleNamespace(node=node, fingerprint=key) for at, (node, key) in enumerate(inputs.get(name, []))
            }
            return SimpleNamespace(inputs=made, config=configs.get(name, {}), digest=""), ""

    def version(number: int, node: str, fingerprint: str) -> Any:
        return SimpleNamespace(model="tiny", version=number, node=node, fingerprint=fingerprint, tags={})

    versions = [version(1, "compress", "6"), version(2, "finetune.adapted", "5"), version(3, "gone", "7")]
    monkeypatch.setattr(cleaning, "all_versions", lambda _: versions)
    older: Any = Older()
    assert seen_before(older, DOCUMENTS[4])[0] == ["pretrain/1", "tiny/1"]
    assert seen_before(older, DOCUMENTS[1])[0] == ["pretrain/1", "pretrain/2", "distill/3", "tiny/1", "tiny/2"]
    assert seen_before(older, b"0" * 16)[0] == []


def test_a_labelled_example_is_found_in_its_split(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["a", "b"]),
        }
    )
    parts = {
        name: datasets.Dataset.from_dict(
            {"id": [start + "0", start + "1"], "text": ["x y"] * 2, "label": [0, 1]}, features
        )
        for name, start in (("train", "aa"), ("validation", "bb"), ("test", "cc"))
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "data"))
    for query, split, label in (("doc:aa1", "train", "b"), ("doc:bb0", "validation", "a"), ("doc:cc0", "test", "a")):
        found = labelled(tmp_path, query)
        assert found is not None
        assert (found["split"], found["label"], found["document"]) == (split, label, query)
        assert f" labels   {split} split, label {label}" in found["lines"]
    assert labelled(tmp_path, "doc:aa") is None
    assert labelled(tmp_path, "doc:dd") is None


def test_a_name_alone_is_a_stage_or_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    (tmp_path / "artifacts").mkdir()
    monkeypatch.setattr(
        show, "_current", lambda _: {"ingest.corpus": "1", "finetune.base": "1", "finetune.frozen": "1"}
    )
    monkeypatch.setattr(show, "is_model", lambda _, name: name == "shop")

    def model(_: Any, name: str) -> dict[str, Any]:
        asked.append(name)
        return {}

    monkeypatch.setattr(show, "_model", model)
    monkeypatch.setattr(show, "_model_lines", lambda _: ["the champion"])

    def shown(reference: str) -> str:
        assert show.run(Namespace(workspace=tmp_path, reference=reference, json=False)) == 0
        return capsys.readouterr().out

    assert [line.split()[0] for line in shown("finetune").splitlines()[1:]] == ["finetune.base", "finetune.frozen"]
    assert shown("shop") == "the champion\n"
    assert asked == ["shop"]
    with pytest.raises(RefusedInput, match="'shup' is no node or stage"):
        shown("shup")
