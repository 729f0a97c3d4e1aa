"""Forgetting: exactly nothing for an unchanged encoder, something for one that was damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline_config.evaluation import ForgettingConfig
from tasks.evaluation.forgetting import MaskedBatch, _mask, measure_forgetting
from tasks.modelling.encoder import load_encoder

CONFIG = ForgettingConfig(steps=40, batch_size=8, held_out=20, learning_rate=5e-3)
DOCUMENTS = [
    [2, *np.random.default_rng(index).choice([10, 11, 12, 13], size=5 + index % 7).tolist(), 3] for index in range(80)
]


def measure(before: Any, after: Any, cores: int = 1) -> dict[str, Any]:
    return measure_forgetting(
        before,
        after,
        DOCUMENTS,
        config=CONFIG,
        special_ids=frozenset(range(5)),
        mask_token_id=4,
        pad_token_id=0,
        resamples=200,
        confidence=0.95,
        seed=1,
        cores=cores,
    )


def test_an_unchanged_encoder_forgot_exactly_nothing(tiny_encoder: Path) -> None:
    found = measure(load_encoder(tiny_encoder), load_encoder(tiny_encoder), cores=2)
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["before"] == found["after"]
    assert found["documents"] == 20


def test_an_encoder_that_lost_its_layers_forgot_and_the_head_has_learnt(tiny_encoder: Path) -> None:
    damaged = load_encoder(tiny_encoder)
    with torch.no_grad():
        for weight in damaged.parameters():
            weight.mul_(0)
    found = measure(load_encoder(tiny_encoder), damaged)
    assert found["before"]["value"] < np.log(load_encoder(tiny_encoder).config.vocab_size) - 0.2
    assert found["difference"]["value"] != 0
    assert found == measure(load_encoder(tiny_encoder), damaged), "the same work twice is the same figure"


def test_masks_hide_ordinary_tokens_alone_and_do_not_depend_on_the_batch() -> None:
    special = frozenset(range(5))
    together = _mask(DOCUMENTS, [3, 4, 5], CONFIG, special, 4, 0, seed=1)
    assert together.input_ids[together.rows, together.columns].tolist() == [4] * len(together.rows)
    for slot, row in enumerate((3, 4, 5)):
        alone = _mask(DOCUMENTS, [row], CONFIG, special, 4, 0, seed=1)
        assert alone.columns.tolist() == together.columns[together.rows == slot].tolist()
        assert alone.targets.tolist() == [DOCUMENTS[row][column] for column in alone.columns.tolist()]
        assert not special & set(alone.targets.tolist())


def test_the_loss_of_a_document_is_the_sum_over_its_masked_tokens(tiny_encoder: Path, monkeypatch: Any) -> None:
    from tasks.evaluation import forgetting

    encoder = load_encoder(tiny_encoder)
    decoder = encoder.get_input_embeddings().weight.detach()
    training = [_mask(DOCUMENTS, [40, 41], CONFIG, frozenset(range(5)), 4, 0, seed=1)]
    judging = [_mask(DOCUMENTS, [0, 1], CONFIG, frozenset(range(5)), 4, 0, seed=1)]
    made: list[forgetting.Head] = []

    class Seen(forgetting.Head):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(forgetting, "Head", Seen)
    losses, counts = forgetting._fit_and_judge(encoder, decoder, training, judging, CONFIG, 1)
    batch: MaskedBatch = judging[0]
    with torch.no_grad():
        states = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        for document in (0, 1):
            own = batch.rows == document
            logits = made[0](states[document][batch.columns[own]])
            assert losses[document] == pytest.approx(
                F.cross_entropy(logits, batch.targets[own], reduction="sum").item()
            )
            assert counts[document] == int(own.sum())
