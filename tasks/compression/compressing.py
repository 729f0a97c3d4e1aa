"""Export, prove, write, and see what it cost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, assert_never

import onnx

from pipeline_config.compression import Backend, CompressConfig, OnnxFp32, OnnxInt8
from tasks.compression.backends import onnx_fp32, onnx_int8
from tasks.compression.export import INPUTS, check_parity, export_graph
from tasks.downstream.classification import accuracy, load_split, macro_f1
from tasks.modelling.classifier import LoadedClassifier, load_classifier
from tasks.modelling.inference import encode, predict_logits
from tasks.modelling.linear_probe import PROBE
from tasks.modelling.onnx_session import MODEL, RECORD, TOKENIZER, OnnxClassifier
from tasks.modelling.threads import one_thread_each
from tasks.runtime.artifact import LabelledData, TaskModel
from tasks.runtime.errors import StageFailed
from tasks.runtime.stage import Context


def compress_classifier(
    ctx: Context, config: CompressConfig, student: TaskModel, labels: LabelledData
) -> dict[str, Any]:
    """Write the compressed model under `ctx.out`; return the metrics of the artifact."""
    loaded = load_classifier(student.path)
    ctx.progress(0, 4, "steps", "export")
    graph = export_graph(loaded.model)
    ctx.progress(1, 4, "steps", "parity")
    with one_thread_each():
        parity = check_parity(loaded.model, graph, tolerance=config.parity_tolerance, seed=config.seed)
    ctx.progress(2, 4, "steps", "write")
    write_model(graph, config.backend, ctx.out / MODEL)
    write_tokenizer(loaded, student.path / "model", ctx.out)
    ctx.progress(3, 4, "steps", "validation")
    validation = load_split(labels, "validation")
    rows = encode(loaded.tokenizer, validation.texts, loaded.max_seq_length)
    with one_thread_each():
        logits = predict_logits(loaded.model, rows, pad_token_id=loaded.tokenizer.pad_token_id).numpy()
    before = logits.argmax(axis=1)
    after = OnnxClassifier(ctx.out, threads=ctx.settings.cores).predict(validation.texts).argmax(axis=1)
    ctx.progress(4, 4, "steps")
    return {
        "parity": parity,
        "agreement": float((before == after).mean()),
        "validation": {
            "accuracy": accuracy(validation.labels, after),
            "macro_f1": macro_f1(validation.labels, after),
        },
        "size_bytes": (ctx.out / MODEL).stat().st_size,
        "parent_size_bytes": sum(
            path.stat().st_size for path in student.path.rglob("*.safetensors") if path.name != PROBE
        ),
    }


def write_model(graph: onnx.ModelProto, backend: Backend, path: Path) -> None:
    match backend:
        case OnnxFp32():
            onnx_fp32.write(graph, path)
        case OnnxInt8():
            onnx_int8.write(graph, path, per_channel=backend.per_channel)
        case _:
            assert_never(backend)


def write_tokenizer(loaded: LoadedClassifier, folder: Path, out: Path) -> None:
    """Write `tokenizer.json` (as trained) and `model.json` (how to call the graph)."""
    if not (folder / TOKENIZER).is_file():
        raise StageFailed(f"{folder}: no {TOKENIZER}; a compressed model needs a fast tokenizer of transformers.")
    shutil.copyfile(folder / TOKENIZER, out / TOKENIZER)
    record = {
        "labels": list(loaded.labels),
        "max_seq_length": loaded.max_seq_length,
        "truncation_side": loaded.truncation_side,
        "pad_token_id": int(loaded.tokenizer.pad_token_id),
        "inputs": list(INPUTS),
    }
    (out / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
