"""A document that went with its file: its last fate is told, and who may have seen it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import witnesses
from pipeline_config.clean import CleanConfig
from pipeline_config.ingest import TextConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import read_documents, reference
from tasks.curation.stage import clean, measure, select
from tasks.ingest.stage import ingest_text
from tasks.runtime.errors import RefusedInput
from tasks.runtime.runs import NodeRecord, new_run
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import Workspace
from tests.ingest.sources import files_for

TEXTS = ["The first page stays where it is and says so.", "Another page, of other words, that goes one day."]


@pytest.fixture
def curate(
    tmp_path: Path, run_stage: Callable[..., Any], labels: Callable[..., Any], lid_model: Any
) -> Callable[..., tuple[Store, dict[str, str]]]:
    """`curate(texts)`: one run of ingest.corpus to select, on record; the fingerprints of its nodes."""
    workspace, held_out = Workspace(tmp_path / "ws"), labels()

    def run(texts: list[str], sample: float = 1.0) -> tuple[Store, dict[str, str]]:
        (workspace.root / "data").mkdir(parents=True, exist_ok=True)
        (workspace.root / "data" / "a.txt").write_text("\n".join(texts), encoding="utf-8")
        sources = [{"name": "a", "path": "data/a.txt", "format": {"kind": "text", "unit": "line"}}]
        config = TextConfig.model_validate({"sources": sources, "sample": sample})
        record = new_run(workspace, workspace.root / "textmill.yaml", ())

        def make(node: str, stage: Any, *arguments: Any) -> Any:
            made = run_stage(stage, *arguments, node=node)
            folder = workspace.artifact(node, made.fingerprint)
            if not folder.exists():
                folder.parent.mkdir(parents=True, exist_ok=True)
                made.path.rename(folder)
                (folder / "execution.json").write_text(Execution().model_dump_json())
            record.nodes[node] = NodeRecord(fingerprint=made.fingerprint, digest=made.digest, action="ran")
            return made.model_copy(update={"path": folder})

        raw = make("ingest.corpus", ingest_text, config, files_for(config, workspace.root))
        cleaned = make("clean", clean, CleanConfig(), raw)
        measures = make("measure", measure, MeasureConfig(), cleaned, lid_model)
        make("select", select, SelectConfig.model_validate({"rules": []}), cleaned, measures, held_out)
        record.save(workspace)
        return Store(workspace), {node: made.fingerprint for node, made in record.nodes.items()}

    return run


def test_a_withdrawn_document_has_a_fate(
    curate: Callable[..., tuple[Store, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
):
    store, before = curate(TEXTS)
    rows = read_documents(store.workspace.artifact("ingest.corpus", before["ingest.corpus"]) / "documents").to_pylist()
    gone = next(reference(row["id"]) for row in rows if row["text"] == TEXTS[1])
    asked: list[bytes] = []

    def seen_before(_: Store, document: bytes) -> tuple[list[str], str]:
        asked.append(document)
        return ["pretrain/1"], ""

    monkeypatch.setattr(witnesses, "seen_before", seen_before)
    assert witnesses.document(store, before, gone)["decision"] == "kept"
    assert not asked
    store, now = curate(TEXTS[:1])
    told = witnesses.document(store, now, gone)
    assert (told["decision"], told["excerpt"], told["seen_by"]) == ("withdrawn", TEXTS[1], ["pretrain/1"])
    assert asked == [bytes.fromhex(gone.removeprefix("doc:"))]
    assert [line for line in told["stages"] if line["stage"] in ("ingest", "select")][-2:] == [
        {"stage": "select", "text": "kept"},
        {
            "stage": "ingest",
            "text": f"withdrawn: the newest run has it no more; last in select/{before['select'][:10]}",
        },
    ]
    with pytest.raises(RefusedInput, match="names 0 documents"):
        witnesses.document(store, now, "doc:" + "0" * 32)


def test_what_a_sample_left_out_may_be_there(curate: Callable[..., tuple[Store, dict[str, str]]]):
    many = [f"Page {number} of the {'many ' * (number % 7)}pages in a file." for number in range(30)]
    store, whole = curate(many)
    documents = store.workspace.artifact("ingest.corpus", whole["ingest.corpus"]) / "documents"
    ids = read_documents(documents, ["id"])["id"].to_pylist()
    store, sampled = curate(many, sample=0.5)
    told = witnesses.document(store, sampled, reference(max(ids)))
    assert "no more (it read a sample); last in" in told["stages"][-1]["text"]
