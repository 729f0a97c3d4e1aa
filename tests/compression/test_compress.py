"""The student as ONNX: right, small, the same bytes everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline_config.compression import CompressConfig, OnnxFp32, OnnxInt8
from tasks.compression.compressing import write_model
from tasks.compression.export import export_graph
from tasks.compression.stage import compress
from tasks.downstream.classification import load_split
from tasks.modelling.classifier import load_classifier, new_classifier, save_classifier
from tasks.modelling.encoder import load_encoder, load_tokenizer
from tasks.modelling.inference import encode, predict_logits
from tasks.modelling.onnx_session import OnnxClassifier
from tasks.modelling.pooling import Pooling
from tasks.runtime.artifact import CompressedModel, LabelledData, TaskModel
from tasks.runtime.errors import StageFailed

NAMES = ["exposure", "encryption", "logging"]
FP32 = CompressConfig(backend=OnnxFp32(kind="onnx_fp32"))


def student_in(folder: Path, encoder: Path, pooling: Pooling, texts: list[str]) -> TaskModel:
    """A random classifier whose logits tell `texts` apart: centred, with a standard deviation of 2."""
    tokenizer = load_tokenizer(encoder)
    body = load_encoder(encoder)
    with torch.no_grad():  # weights as small as fresh ones hardly let the tokens speak to each other
        for weight in body.parameters():
            weight.mul_(5 if weight.dim() == 2 else 1)
    model = new_classifier(body, NAMES, pooling, seed=3).eval()
    logits = predict_logits(model, encode(tokenizer, texts, 16), pad_token_id=tokenizer.pad_token_id)
    scale = 2 / logits.std(0)
    with torch.no_grad():
        model.head.weight.mul_(scale[:, None])
        model.head.bias.sub_(logits.mean(0)).mul_(scale)
    save_classifier(model, tokenizer, folder, max_seq_length=16)
    return TaskModel(node="distill", fingerprint="student", digest="student", path=folder)


@dataclass(frozen=True)
class Exported:
    student: TaskModel
    graph: onnx.ModelProto


@pytest.fixture(scope="module", params=["mean", "max", "cls"])
def exported(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder: Path,
    tiny_labels: LabelledData,
) -> Exported:
    texts = load_split(tiny_labels, "test").texts
    student = student_in(tmp_path_factory.mktemp("student"), tiny_encoder, request.param, texts)
    return Exported(student, export_graph(load_classifier(student.path).model))


@pytest.fixture
def compressed(
    run_stage: Callable[..., Any], exported: Exported, tiny_labels: LabelledData, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CompressedModel]:
    """`compressed(config, graph=…)`: the stage's artifact; the export, which takes seconds, is done once."""

    def run(config: CompressConfig, graph: onnx.ModelProto = exported.graph) -> CompressedModel:
        monkeypatch.setattr("tasks.compression.compressing.export_graph", lambda _: graph)
        artifact: CompressedModel = run_stage(compress, config, exported.student, tiny_labels)
        return artifact

    return run


def torch_probabilities(student: TaskModel, text: str) -> np.ndarray:
    loaded = load_classifier(student.path)
    row = loaded.tokenizer(text, truncation=True, max_length=loaded.max_seq_length, return_tensors="pt")
    with torch.inference_mode():
        return torch.softmax(loaded.model(row["input_ids"], row["attention_mask"]).logits, -1)[0].numpy()


def test_float_onnx_says_what_torch_says(
    compressed: Callable[..., CompressedModel], exported: Exported, tiny_labels: LabelledData
) -> None:
    artifact = compressed(FP32)
    texts = [*load_split(tiny_labels, "test").texts, "", "audit " * 40]
    expected = np.stack([torch_probabilities(exported.student, text) for text in texts])
    assert expected.std(axis=0).max() > 0.1, "the texts are told apart, or nothing is compared"
    for batch_size in (1, 7):
        found = OnnxClassifier(artifact.path, threads=1).predict(texts, batch_size)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert artifact.metrics["agreement"] == 1.0
    assert artifact.metrics["parity"] < 1e-3


def test_int8_is_close_and_can_be_told_from_float(
    compressed: Callable[..., CompressedModel], exported: Exported, tiny_labels: LabelledData
) -> None:
    artifact = compressed(CompressConfig())
    kinds = {node.op_type for node in onnx.load(artifact.path / "model.onnx").graph.node}
    assert {"MatMulInteger", "DynamicQuantizeLinear"} <= kinds
    texts = load_split(tiny_labels, "test").texts
    expected = np.stack([torch_probabilities(exported.student, text) for text in texts])
    found = OnnxClassifier(artifact.path).predict(texts)
    assert 1e-5 < np.abs(found - expected).max() < 0.2
    assert json.loads((artifact.path / "model.json").read_text())["labels"] == NAMES
    assert artifact.metrics["size_bytes"] == (artifact.path / "model.onnx").stat().st_size


def test_the_score_of_a_text_does_not_depend_on_its_neighbours(
    compressed: Callable[..., CompressedModel], tiny_labels: LabelledData
) -> None:
    artifact = compressed(CompressConfig())
    texts = load_split(tiny_labels, "test").texts
    alone, many = OnnxClassifier(artifact.path, threads=1), OnnxClassifier(artifact.path, threads=2)
    np.testing.assert_array_equal(many.predict(texts)[3], alone.predict([texts[3]])[0])
    assert alone.predict([]).shape == (0, 3)


def test_a_graph_that_computes_something_else_fails_the_stage(
    compressed: Callable[..., CompressedModel], exported: Exported
) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(exported.graph)
    for weight in broken.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 2:
            weight.raw_data = (np.frombuffer(weight.raw_data, dtype=np.float32) * np.float32(1.05)).tobytes()
    with pytest.raises(StageFailed, match=r"differs from torch by \d.*parity_tolerance"):
        compressed(FP32, broken)


def test_a_fresh_process_writes_the_same_bytes_without_a_path_or_a_word(exported: Exported, tmp_path: Path) -> None:
    write_model(exported.graph, OnnxInt8(kind="onnx_int8"), tmp_path / "here.onnx")
    code = (
        "import sys; from pathlib import Path; from tasks.compression.export import export_graph;"
        "from tasks.compression.compressing import write_model; from pipeline_config.compression import OnnxInt8;"
        "from tasks.modelling.classifier import load_classifier;"
        "graph = export_graph(load_classifier(Path(sys.argv[1])).model);"
        "write_model(graph, OnnxInt8(kind='onnx_int8'), Path(sys.argv[2]))"
    )
    if json.loads((exported.student.path / "textmill.json").read_text())["pooling"] != "mean":
        pytest.skip("one pooling is enough: a process takes seconds to start")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, exported.student.path, tmp_path / "there.onnx"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "ResourceWarning" not in line]
    assert (done.stdout, ours) == ("", []), "warnings are dealt with at their cause"
    here, there = (tmp_path / "here.onnx").read_bytes(), (tmp_path / "there.onnx").read_bytes()
    assert here == there
    assert b"site-packages" not in here
    assert b".py" not in here


def test_serving_needs_neither_torch_nor_transformers(compressed: Callable[..., CompressedModel]) -> None:
    code = (
        "import sys; from pathlib import Path; from tasks.modelling.onnx_session import OnnxClassifier;"
        "print(OnnxClassifier(Path(sys.argv[1])).predict(['open port']).shape);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sklearn', 'pandas')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, compressed(FP32).path], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "(1, 3)\n"), done.stderr
