"""Fixtures that every test may use."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Time limits per example are for idle machines; pytest's own timeout stands.
settings.register_profile("textmill", deadline=None)
settings.load_profile("textmill")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # children find the stages of tests


@pytest.fixture
def run_stage(tmp_path: Path) -> Callable[..., Any]:
    """`run_stage(stage, config, *artifacts, node=…)`: do a stage's work in this process, return its artifact."""
    from tasks.runtime.settings import Settings

    count = 0

    def run(stage: Any, *args: Any, node: str = "", events: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        out, work = tmp_path / f"out{count}", tmp_path / f"work{count}"
        out.mkdir()
        work.mkdir()
        job = stage.job(node or stage.name, stage.bind(*args, **kwargs), out, work)
        return stage.execute(job, (events if events is not None else []).append, Settings(workers=1))

    return run


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT (4 layers of 32) and a WordPiece tokenizer; loads with `AutoModel`."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-encoder")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    text = "storage bucket public access encryption key rotation identity policy logging audit network port open"
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    # Written down, not trained: the trainer numbers equally frequent pieces differently in each process.
    vocabulary = {token: number for number, token in enumerate([*special, *letters, *text.split()])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True)),
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_labels(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Labelled data of three classes, told apart by their words: 36 to train on, 12 and 24 to judge."""
    import json

    import datasets

    from tasks.runtime.artifact import LabelledData

    folder = tmp_path_factory.mktemp("tiny-labels")
    names = ["exposure", "encryption", "logging"]
    words = ["public access port open network", "encryption key rotation storage", "audit logging policy identity"]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "external_id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=names),
            "group": datasets.Value("int64"),
        }
    )

    def split(name: str, count: int) -> datasets.Dataset:
        rows = []
        for index in range(count):
            own = words[index % 3].split()
            text = " ".join([own[index % len(own)], "bucket", own[(index // 3) % len(own)], *["storage"] * (index % 5)])
            rows.append(
                {"id": f"{name}{index:03d}", "external_id": None, "text": text, "label": index % 3, "group": index // 2}
            )
        return datasets.Dataset.from_list(rows, features=features)

    tables = {"train": split("train", 36), "validation": split("validation", 12), "test": split("test", 24)}
    datasets.disable_progress_bars()
    datasets.DatasetDict(tables).save_to_disk(folder / "data")
    (folder / "labels.json").write_text(json.dumps(names))
    return LabelledData(node="ingest.labels", fingerprint="labels", digest="labels", path=folder)


@pytest.fixture(scope="session")
def tiny_base(tiny_encoder: Path) -> Any:
    """`tiny_encoder` as the input that a base model is."""
    from tasks.runtime.artifact import InputFile, InputFiles, sha256_of

    files = tuple(
        InputFile(name=path.name, path=path, sha256=sha256_of(path), size=path.stat().st_size)
        for path in sorted(tiny_encoder.iterdir())
    )
    return InputFiles(node="base", fingerprint="base", digest="base", path=tiny_encoder, files=files)


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tokenizer of `tiny_encoder` as an artifact that keeps it."""
    from transformers import AutoTokenizer

    from tasks.runtime.artifact import Tokenizer

    folder = tmp_path_factory.mktemp("tiny-tokenizer")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder / "tokenizer")
    (folder / "new_tokens.json").write_text("[]")
    return Tokenizer(node="tokenizer", fingerprint="tokenizer", digest="tokenizer", path=folder)
