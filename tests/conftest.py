"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DO_NOT_TRACK", "true")


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
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-encoder")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    text = ["storage bucket public access encryption key rotation identity policy logging audit network port open"] * 9
    tokenizer.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
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
