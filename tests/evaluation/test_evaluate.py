"""The stage from models to ladder, on tiny models that were really trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from pipeline_config.compression import CompressConfig
from pipeline_config.evaluation import EfficiencyConfig, EvaluateConfig, ForgettingConfig
from pipeline_config.finetuning import FrozenProbe, FullFinetune
from tasks.compression.stage import compress
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.downstream.classification import LabelledSplit, load_split
from tasks.downstream.intervals import paired_difference
from tasks.evaluation.baselines import tfidf
from tasks.evaluation.evaluating import _forgetting
from tasks.evaluation.ladder import ladder_table
from tasks.evaluation.predicting import probabilities
from tasks.evaluation.stage import evaluate
from tasks.finetuning.stage import finetune
from tasks.modelling.classifier import load_classifier
from tasks.modelling.encoder import load_encoder
from tasks.modelling.inference import encode
from tasks.modelling.linear_probe import load_probe
from tasks.runtime.artifact import Checkpoint, Evaluation, InputFile, InputFiles, LabelledData, RawCorpus
from tasks.runtime.settings import Settings
from tasks.runtime.stage import MANIFEST

CONFIG = EvaluateConfig(
    resamples=200,
    forgetting=ForgettingConfig(documents=20, held_out_documents=8, steps=3, batch_size=4),
    efficiency=EfficiencyConfig(sequence_length=12, repetitions=3, batch_size=2),
)


@dataclass(frozen=True)
class Judged:
    arguments: dict[str, Any]
    evaluation: Evaluation
    events: list[dict[str, Any]]


def execute(stage: Any, folder: Path, node: str, events: list[dict[str, Any]] | None = None, **arguments: Any) -> Any:
    out, work = folder / node, folder / f"{node}.work"
    out.mkdir(parents=True)
    work.mkdir()
    job = stage.job(node, arguments, out, work)
    return stage.execute(job, (events if events is not None else []).append, Settings(workers=1))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, tiny_labels: LabelledData) -> Judged:
    folder = tmp_path_factory.mktemp("road")
    files = tuple(
        InputFile(name=path.name, path=path, sha256="0" * 64, size=path.stat().st_size)
        for path in tiny_encoder.iterdir()
    )
    base = InputFiles(node="base", fingerprint="b", digest="b", files=files)
    full = FullFinetune(kind="full", num_train_epochs=1, max_seq_length=16, learning_rate=1e-3)
    common = {"labels": tiny_labels, "encoder": base}
    models = {
        "frozen": execute(
            finetune, folder, "finetune.frozen", config=FrozenProbe(kind="frozen", max_seq_length=16), **common
        ),
        "base": execute(finetune, folder, "finetune.base", config=full, **common),
        "base.s43": execute(
            finetune, folder, "finetune.base.s43", config=full.model_copy(update={"seed": 43}), **common
        ),
        "compact": execute(
            finetune, folder, "finetune.compact", config=full.model_copy(update={"layers": (0, 3)}), **common
        ),
    }
    models["student"] = models["compact"]
    general = folder / "general"
    rows = [
        {"id": document_id("general", bytes([index])), "source": "general", "text": f"the port {index} is open"}
        for index in range(30)
    ]
    write_documents(general / "documents", document_table(rows))
    arguments = {
        "config": CONFIG,
        "labels": tiny_labels,
        "models": models,
        "compressed": {
            "int8": execute(
                compress, folder, "compress", config=CompressConfig(), student=models["student"], labels=tiny_labels
            )
        },
        "base": base,
        "adapted": None,
        "general": RawCorpus(node="ingest.general", fingerprint="g", digest="g", path=general),
    }
    events: list[dict[str, Any]] = []
    return Judged(arguments, execute(evaluate, folder, "evaluate", events, **arguments), events)


def predictions(judged: Judged, rung: str) -> dict[str, Any]:
    return pq.read_table(judged.evaluation.path / "predictions" / f"{rung}.parquet").to_pydict()


def test_every_model_is_a_rung_in_order(judged: Judged) -> None:
    rows = judged.evaluation.metrics["rungs"]
    order = ["majority", "tfidf", "base-frozen", "compact-frozen", "compact", "base", "student", "int8"]
    assert [row["rung"] for row in rows] == order
    assert {row["variant"]: row["parent"] for row in rows if row["variant"]} == {
        "teacher": "",
        "student": "base",
        "int8": "student",
    }
    assert {row["rung"]: row["seeds"] for row in rows if row["seeds"] > 1} == {"base": 2}
    assert judged.evaluation.metrics["seed_noise"] is True
    assert judged.evaluation.metrics["forgetting"] == {"skipped": "no encoder was adapted"}


def test_scores_are_those_of_scikit_learn_on_the_stored_predictions(judged: Judged, tiny_labels: LabelledData) -> None:
    test = load_split(tiny_labels, "test")
    for row in judged.evaluation.metrics["rungs"]:
        stored = [predictions(judged, row["rung"])]
        stored += [predictions(judged, "base.s43")] if row["seeds"] == 2 else []
        assert all(one["id"] == test.ids and one["label"] == test.labels.tolist() for one in stored)
        f1 = [f1_score(one["label"], one["predicted"], average="macro", zero_division=0) for one in stored]
        share = [accuracy_score(one["label"], one["predicted"]) for one in stored]
        assert row["macro_f1"]["value"] == pytest.approx(np.mean(f1))
        assert row["accuracy"]["value"] == pytest.approx(np.mean(share))
        assert row["macro_f1"]["low"] <= row["macro_f1"]["value"] <= row["macro_f1"]["high"]


def test_a_gate_finds_the_same_difference_from_the_stored_predictions(judged: Judged) -> None:
    own, other = (predictions(judged, rung) for rung in ("int8", "tfidf"))
    found = paired_difference(
        *(np.array(column) for column in (own["predicted"], other["predicted"])),
        labels=np.array(own["label"]),
        groups=np.array(own["group"]),
        resamples=200,
        seed=CONFIG.seed,
    )
    assert found.as_dict() == pytest.approx(judged.evaluation.metrics["paired"]["int8-vs-tfidf"]["macro_f1"])
    assert set(judged.evaluation.metrics["paired"]) >= {"int8-vs-majority", "int8-vs-student", "student-vs-base"}
    agreement = np.mean(np.equal(own["predicted"], predictions(judged, "student")["predicted"]))
    assert judged.evaluation.metrics["agreement"]["int8"]["value"] == pytest.approx(agreement)


def test_a_frozen_rung_is_the_probe_on_the_untouched_encoder(
    judged: Judged, tiny_encoder: Path, tiny_labels: LabelledData
) -> None:
    compact = judged.arguments["models"]["compact"]
    probe = load_probe(compact.path, load_encoder(tiny_encoder, layers=(0, 3)))
    tokenizer = load_classifier(compact.path).tokenizer
    rows = encode(tokenizer, load_split(tiny_labels, "test").texts, 16)
    expected = [int(probe(*tokens(row)).logits.argmax()) for row in rows]
    assert predictions(judged, "compact-frozen")["predicted"] == expected


def tokens(row: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)


def test_the_digest_of_the_test_set_is_over_sorted_ids_and_labels(judged: Judged, tiny_labels: LabelledData) -> None:
    names = json.loads((tiny_labels.path / "labels.json").read_text())
    test = load_split(tiny_labels, "test")
    pairs = sorted([one, names[label]] for one, label in zip(test.ids, test.labels, strict=True))
    assert judged.evaluation.metrics["test_digest"] == hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    assert judged.evaluation.metrics["test_groups"] == 12


def test_the_same_work_is_the_same_digest_and_the_clock_is_not_in_it(judged: Judged, tmp_path: Path) -> None:
    again = execute(evaluate, tmp_path, "evaluate", **judged.arguments)
    assert again.digest == judged.evaluation.digest
    measured = {event["name"]: event["value"] for event in judged.events if event["event"] == "measured"}
    for kind in ("latency_ms", "documents_per_second", "speedup"):
        assert {f"{kind}.base", f"{kind}.student", f"{kind}.int8"} <= set(measured)
    assert "latency" not in (judged.evaluation.path / MANIFEST).read_text()
    lines = ladder_table(judged.evaluation.metrics, measured, {"finetune.base": 3.0}, judged=1)
    assert sum(" ms" in line for line in lines) == 3


def test_forgetting_is_measured_against_the_encoder_that_adaptation_started_from(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluation.forgetting.LEARNT", -1e9)  # three steps teach nothing
    folder = tmp_path / "pretrain"
    encoder = load_encoder(judged.arguments["base"].folder, layers=(0, 3))
    encoder.save_pretrained(folder / "model")
    for path in judged.arguments["base"].folder.glob("tokenizer*"):
        (folder / "model" / path.name).write_bytes(path.read_bytes())
    manifest = judged.evaluation.manifest.model_copy(
        update={"kind": "Checkpoint", "config": {"objective": {"kind": "embedding_distillation", "layers": [0, 3]}}}
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    found = _forgetting(
        CONFIG,
        judged.arguments["base"],
        Checkpoint(node="pretrain", fingerprint="p", digest="p", path=folder),
        judged.arguments["general"],
        1,
    )
    assert found is not None
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["documents"] == 8


def test_probabilities_have_the_same_bits_on_one_and_two_cores(judged: Judged, tiny_labels: LabelledData) -> None:
    model = load_classifier(judged.arguments["models"]["base"].path)
    rows = encode(model.tokenizer, load_split(tiny_labels, "test").texts, 16)
    one, two = (probabilities(model.model, rows, pad_token_id=0, cores=cores) for cores in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_tfidf_chooses_on_validation_and_never_sees_the_test_labels(tiny_labels: LabelledData) -> None:
    splits = [load_split(tiny_labels, name) for name in ("train", "validation", "test")]
    fit = tfidf(splits[0], splits[1], splits[2].texts, config=CONFIG.tfidf, metric="macro_f1", classes=3, seed=0)
    assert fit.chosen["validation_macro_f1"] == 1.0
    assert fit.chosen["features"] == "words", "ties go to the first"
    assert fit.chosen["cost"] == CONFIG.tfidf.costs[0]
    assert (fit.predicted == splits[2].labels).all()


def test_tfidf_weighs_the_classes_when_that_is_better_on_validation() -> None:
    """Nine texts of one class to one of the other; the words of the rare one also stand in the frequent one's."""

    def split(texts: list[str], labels: list[int]) -> LabelledSplit:
        numbers = np.array(labels)
        return LabelledSplit([f"{n:032x}" for n in range(len(texts))], texts, numbers, np.arange(len(texts)))

    common = [f"bucket open number{index}" for index in range(18)]
    training = split([*common, "bucket open key", "bucket open key rotated"], [0] * 18 + [1] * 2)
    validation = split(["bucket open", "bucket key"], [0, 1])
    config = CONFIG.tfidf.model_copy(update={"costs": (0.01,), "character_ngrams": None})
    fit = tfidf(training, validation, ["key"], config=config, metric="macro_f1", classes=2, seed=0)
    assert fit.chosen["class_weights"] == "balanced"
    assert fit.predicted.tolist() == [1]
    equal = config.model_copy(update={"class_weights": ("none",)})
    assert tfidf(training, validation, ["key"], config=equal, metric="macro_f1", classes=2, seed=0).predicted[0] == 0
