"""The pretrain stage on a tiny encoder: it learns, its result loads, and the same work gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline_config.packing import PackConfig
from pipeline_config.pretraining import PretrainConfig
from tasks.corpus.document import document_table, write_documents
from tasks.packing.stage import pack
from tasks.pretraining.stage import pretrain
from tasks.runtime.artifact import Corpus, InputFile, InputFiles, PackedCorpus, Tokenizer
from tasks.runtime.errors import RefusedInput
from tests.packing.kept import write_ledger

PHRASES = ["storage bucket public access", "encryption key rotation", "identity policy audit", "network port open"]
DISTIL = {"kind": "embedding_distillation", "layers": (0, 3)}
Inputs = tuple[InputFiles, Tokenizer, PackedCorpus]


@pytest.fixture
def inputs(run_stage: Callable[..., Any], tmp_path: Path, tiny_encoder: Path) -> Inputs:
    from transformers import AutoTokenizer

    rng = np.random.default_rng(0)
    rows = [
        {
            "id": hashlib.sha256(f"{i}".encode()).digest()[:16],
            "source": "ab"[i % 2],
            "text": " ".join(PHRASES[k] for k in rng.integers(4, size=rng.integers(1, 14))),
        }
        for i in range(200)
    ]
    write_documents(tmp_path / "corpus" / "documents", document_table(rows))
    write_ledger(tmp_path / "corpus")
    corpus = Corpus(node="select", fingerprint="c", path=tmp_path / "corpus")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "tokenizer" / "tokenizer")
    (tmp_path / "tokenizer" / "new_tokens.json").write_text("[]")
    (tmp_path / "tokenizer" / "report.json").write_text('{"kind": "keep"}')
    tokenizer = Tokenizer(node="tokenizer", fingerprint="t", path=tmp_path / "tokenizer")
    files = tuple(
        InputFile(name=p.name, path=p, sha256="0", size=p.stat().st_size) for p in tiny_encoder.iterdir() if p.is_file()
    )
    base = InputFiles(node="model.base", fingerprint="b", digest="b", files=files)
    packed = run_stage(pack, PackConfig(max_seq_length=32, heldout_fraction=0.1), corpus, tokenizer)
    return base, tokenizer, packed


def config(objective: dict[str, Any], **options: Any) -> PretrainConfig:
    settings = {
        "objective": objective,
        "budget": {"kind": "steps", "steps": 20},
        "train_batch_size": 8,
        "learning_rate": 3e-3,
        "warmup_steps": 2,
        "heldout_tokens": 500,
    }
    return PretrainConfig.model_validate(settings | options)


def load(cls: Any, folder: Path) -> Any:
    model, report = cls.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), f"it loads with warnings: {report}"
    return model


MLM = {"kind": "mlm", "head_warmup_steps": 10, "head_learning_rate": 1e-2}
SCRATCH = MLM | {"init": {"kind": "scratch", "hidden_size": 16, "layers": 2, "attention_heads": 2}}


@pytest.mark.parametrize("objective", [MLM, SCRATCH, DISTIL], ids=["mlm", "scratch", "distillation"])
def test_it_learns_loads_and_is_reproducible(
    run_stage: Callable[..., Any], inputs: Inputs, objective: dict[str, Any]
) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

    events: list[dict[str, Any]] = []
    rate = 5e-5 if objective is DISTIL else 3e-3  # layers of a random base hardly do anything: the student is close
    wanted = config(objective, mixture={"a": 2}, learning_rate=rate)
    artifact = run_stage(pretrain, wanted, *inputs, events=events)
    loss = artifact.metrics["heldout_loss"]
    assert loss["after"] < 0.95 * loss["before"]
    assert artifact.metrics["steps"] == 20
    assert 20 * 8 < artifact.metrics["tokens"] <= 20 * 8 * 32
    assert {e["name"] for e in events if e["event"] == "measured"} >= {"pretrain.tokens_per_second"}
    assert [e["step"] for e in events if e.get("name") == "pretrain.loss"] == list(range(1, 21))

    encoder = load(AutoModel, artifact.path / "model")
    tokenizer = AutoTokenizer.from_pretrained(artifact.path / "model")
    assert encoder(**tokenizer("public bucket", return_tensors="pt")).last_hidden_state.isfinite().all()
    if objective is not DISTIL:
        model = load(AutoModelForMaskedLM, artifact.path / "masked_lm")
        assert torch.equal(
            model.bert.encoder.layer[0].output.dense.weight, encoder.encoder.layer[0].output.dense.weight
        )
    again = run_stage(pretrain, wanted, *inputs)
    assert again.digest == artifact.digest


def test_another_seed_is_another_result(run_stage: Callable[..., Any], inputs: Inputs) -> None:
    one, other = (run_stage(pretrain, config(MLM, seed=seed), *inputs) for seed in (0, 1))
    assert one.digest != other.digest


def test_before_any_step_the_student_is_the_layers_of_the_base(run_stage: Callable[..., Any], inputs: Inputs) -> None:
    """A learning rate too small to see leaves the student as it starts: the first and the last layer of the base."""
    from transformers import AutoModel

    artifact = run_stage(pretrain, config(DISTIL, learning_rate=1e-30), *inputs)
    student, base = AutoModel.from_pretrained(artifact.path / "model"), AutoModel.from_pretrained(inputs[0].folder)
    assert len(student.encoder.layer) == 2
    assert torch.equal(student.encoder.layer[1].output.dense.weight, base.encoder.layer[3].output.dense.weight)
    assert artifact.metrics["heldout_loss"]["before"] == pytest.approx(artifact.metrics["heldout_loss"]["after"])


def test_a_whole_student_loses_nothing_before(run_stage: Callable[..., Any], inputs: Inputs) -> None:
    artifact = run_stage(pretrain, config(DISTIL | {"layers": (0, 1, 2, 3)}), *inputs)
    assert artifact.metrics["heldout_loss"]["before"] == pytest.approx(0.0, abs=1e-6)


def test_a_budget_of_tokens(run_stage: Callable[..., Any], inputs: Inputs) -> None:
    artifact = run_stage(pretrain, config(DISTIL, budget={"kind": "tokens", "tokens": 1000}), *inputs)
    assert 1000 <= artifact.metrics["tokens"] < 1000 + 8 * 32


def test_a_vocabulary_that_the_base_does_not_know_is_refused(run_stage: Callable[..., Any], inputs: Inputs) -> None:
    path = inputs[1].path / "report.json"
    path.write_text(json.dumps({"kind": "train"}))
    with pytest.raises(RefusedInput, match="a vocabulary that the base model does not know"):
        run_stage(pretrain, config(DISTIL), *inputs)
    assert run_stage(pretrain, config(SCRATCH), *inputs).metrics["steps"] == 20


def test_more_positions_than_the_base_has_are_refused(
    run_stage: Callable[..., Any], inputs: Inputs, tmp_path: Path
) -> None:
    corpus = Corpus(node="select", fingerprint="c", path=tmp_path / "corpus")
    packed = run_stage(pack, PackConfig(max_seq_length=65), corpus, inputs[1])
    for objective in (MLM, DISTIL):
        with pytest.raises(RefusedInput, match=r"max_seq_length=65.*positions for 64 tokens"):
            run_stage(pretrain, config(objective), inputs[0], inputs[1], packed)


@pytest.mark.parametrize("objective", [MLM, DISTIL], ids=["mlm", "distillation"])
def test_bf16_is_another_result_close_by_and_weights_stay_fp32(
    run_stage: Callable[..., Any], inputs: Inputs, objective: dict[str, Any]
) -> None:
    from transformers import AutoModel

    full, half = (
        run_stage(pretrain, config(objective, precision=precision, learning_rate=5e-5), *inputs)
        for precision in ("fp32", "bf16")
    )
    assert half.digest != full.digest
    assert half.metrics["heldout_loss"]["after"] == pytest.approx(full.metrics["heldout_loss"]["after"], rel=0.05)
    assert next(AutoModel.from_pretrained(half.path / "model").parameters()).dtype == torch.float32
