"""A small shop to test promotions with: real task models, their int8 form, a test set, an evaluation of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from pipeline_config.evaluation import EvaluateConfig
from tasks.downstream.classification import LabelledSplit
from tasks.downstream.intervals import Bootstrap
from tasks.evaluation.judging import Judged, Prediction, judge, write_predictions
from tasks.evaluation.ladder import rungs
from tasks.runtime.artifact import (
    MANIFEST,
    Artifact,
    Checkpoint,
    CompressedModel,
    Evaluation,
    FileDigest,
    LabelledData,
    Manifest,
    TaskModel,
    files_of,
    sha256_of,
)
from tasks.runtime.stage import input_record
from tasks.runtime.workspace import Workspace

A = TypeVar("A", bound=Artifact)
LABELS = ("storage", "network", "logging")
CLASSES, DOCUMENTS, GROUPS = 3, 120, 40


def make_artifact(
    kind: type[A],
    node: str,
    root: Path,
    fill: Callable[[Path], None],
    *,
    inputs: Mapping[str, Artifact] | None = None,
    metrics: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> A:
    """Write an artifact into its place in the workspace `root`, as a stage would have."""
    recipe = json.dumps([node, metrics, config, {k: v.digest for k, v in (inputs or {}).items()}], sort_keys=True)
    fingerprint = hashlib.sha256(recipe.encode()).hexdigest()[:32]
    folder = Workspace(root).artifact(node, fingerprint)
    folder.mkdir(parents=True)
    fill(folder)
    manifest = Manifest(
        kind=kind.__name__,
        node=node,
        stage=node.partition(".")[0],
        version=1,
        fingerprint=fingerprint,
        config=dict(config or {}),
        inputs={name: input_record(one) for name, one in (inputs or {}).items()},
        metrics=dict(metrics or {}),
        files={n: FileDigest(sha256=sha256_of(p), size=p.stat().st_size) for n, p in files_of(folder).items()},
        digest="",
        seal="",
    ).sealed()
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return kind(node=node, fingerprint=fingerprint, digest=manifest.digest, path=folder)


@dataclass(frozen=True)
class Shop:
    """What a road made."""

    workspace: Workspace
    labels: LabelledData
    models: dict[str, TaskModel]
    compressed: dict[str, CompressedModel]
    checkpoint: Checkpoint
    evaluation: Evaluation


@pytest.fixture(scope="session")
def task_models(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `teacher` (mean pooling), `student` (CLS) and `int8` (of the student)."""
    import torch

    from tasks.compression.backends import onnx_int8
    from tasks.compression.compressing import write_tokenizer
    from tasks.compression.export import export_graph
    from tasks.modelling.classifier import load_classifier, new_classifier, save_classifier
    from tasks.modelling.encoder import load_encoder, load_tokenizer
    from tasks.modelling.pooling import Pooling

    root = tmp_path_factory.mktemp("task-models")
    tokenizer = load_tokenizer(tiny_encoder)
    poolings: dict[str, Pooling] = {"teacher": "mean", "student": "cls"}
    for name, pooling in poolings.items():
        model = new_classifier(load_encoder(tiny_encoder), LABELS, pooling, seed=len(name))
        torch.manual_seed(len(name))
        torch.nn.init.normal_(model.head.weight, std=1.0)
        save_classifier(model.eval(), tokenizer, root / name, max_seq_length=32)
    student = load_classifier(root / "student")
    (root / "int8").mkdir()
    onnx_int8.write(export_graph(student.model), root / "int8" / "model.onnx", per_channel=True)
    write_tokenizer(student, root / "student" / "model", root / "int8")
    return root


def truths() -> np.ndarray[Any, Any]:
    return np.arange(DOCUMENTS) % CLASSES


def answers(right: float, seed: int) -> np.ndarray[Any, Any]:
    """Predictions of which the share `right` is right."""
    rng = np.random.default_rng(seed)
    wrong = rng.permutation(DOCUMENTS) >= round(right * DOCUMENTS)
    return np.where(wrong, (truths() + 1) % CLASSES, truths())


def make_labels(root: Path) -> LabelledData:
    from datasets import Dataset, DatasetDict

    def fill(folder: Path) -> None:
        rows = {
            "id": [f"{i:032x}" for i in range(DOCUMENTS)],
            "external_id": [None] * DOCUMENTS,
            "text": [f"public access to {LABELS[i % CLASSES]} number {i}" for i in range(DOCUMENTS)],
            "label": truths().tolist(),
            "group": [i % GROUPS for i in range(DOCUMENTS)],
        }
        part = Dataset.from_dict(rows)
        DatasetDict({"train": part, "validation": part, "test": part}).save_to_disk(folder / "data")
        (folder / "labels.json").write_text(json.dumps(list(LABELS)))

    return make_artifact(LabelledData, "ingest.labels", root, fill)


def make_evaluation(
    root: Path, inputs: Mapping[str, Artifact], predictions: Mapping[str, Any], test_digest: str = "t1"
) -> Evaluation:
    """`predictions`: by rung of the ladder."""
    config = EvaluateConfig(resamples=200)
    groups = np.arange(DOCUMENTS) % GROUPS
    split = LabelledSplit([f"{i:032x}" for i in range(DOCUMENTS)], [""] * DOCUMENTS, truths(), groups)
    judged = [
        Judged(rung, (Prediction(np.asarray(predictions[rung.name])),))
        for rung in rungs(("int8",))
        if rung.name in predictions
    ]
    bootstrap = Bootstrap.of(
        labels=truths(), groups=groups, classes=CLASSES, resamples=200, confidence=0.95, seed=config.seed
    )
    return make_artifact(
        Evaluation,
        "evaluate",
        root,
        lambda folder: write_predictions(folder / "predictions", split, judged),
        inputs=inputs,
        metrics={**judge(judged, bootstrap, config), "test_digest": test_digest},
        config=config.model_dump(mode="json"),
    )


def good_predictions() -> dict[str, Any]:
    student = answers(0.92, seed=2)
    return {
        "majority": np.zeros(DOCUMENTS, dtype=int),
        "tfidf": answers(0.6, seed=1),
        "base": answers(0.93, seed=3),
        "student": student,
        "int8": student,
    }


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds, copying it none."""
    from tasks.runtime.mlflow_store import open_client

    root = tmp_path_factory.mktemp("mlflow-template")
    open_client(Workspace(root)).search_experiments()
    return root / "mlflow.db"


@pytest.fixture
def shop(task_models: Path, tiny_encoder: Path, mlflow_template: Path, tmp_path: Path) -> Shop:
    root = tmp_path / "workspace"
    root.mkdir()
    shutil.copyfile(mlflow_template, root / "mlflow.db")
    labels = make_labels(root)
    checkpoint = make_artifact(
        Checkpoint, "pretrain", root, lambda folder: shutil.copytree(tiny_encoder, folder / "model") and None
    )

    def copied(name: str) -> Callable[[Path], None]:
        return lambda folder: shutil.copytree(task_models / name, folder, dirs_exist_ok=True) and None

    teacher = make_artifact(TaskModel, "finetune.base", root, copied("teacher"), inputs={"labels": labels})
    student = make_artifact(TaskModel, "distill", root, copied("student"), inputs={"teacher": teacher})
    int8 = make_artifact(CompressedModel, "compress", root, copied("int8"), inputs={"student": student})
    inputs: dict[str, Artifact] = {"labels": labels, "models.base": teacher, "compressed.int8": int8}
    return Shop(
        workspace=Workspace(root),
        labels=labels,
        models={"base": teacher, "student": student},
        compressed={"int8": int8},
        checkpoint=checkpoint,
        evaluation=make_evaluation(root, inputs, good_predictions()),
    )
