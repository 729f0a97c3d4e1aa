"""Forgetting: exactly nothing for an unchanged encoder, something for one that was damaged."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline_config.evaluation import ForgettingConfig
from tasks.evaluation.forgetting import Head, fit_head, mask_document, masked_states, measure_forgetting
from tasks.modelling.encoder import load_encoder

SPECIAL = frozenset(range(5))
CONFIG = ForgettingConfig(held_out_documents=20, steps=60, batch_size=16, learning_rate=5e-3)
DOCUMENTS = [
    [2, *np.random.default_rng(index).choice([10, 11, 12, 13], size=5 + index % 7).tolist(), 3] for index in range(80)
]


def measure(before: Any, after: Any, cores: int = 1) -> dict[str, Any]:
    return measure_forgetting(
        before,
        after,
        DOCUMENTS,
        config=CONFIG,
        special_ids=SPECIAL,
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


def test_an_empty_encoder_forgot_all_that_is_more_than_frequencies(tiny_encoder: Path) -> None:
    empty = load_encoder(tiny_encoder)
    with torch.no_grad():
        for weight in empty.parameters():
            weight.mul_(0)
    found = measure(load_encoder(tiny_encoder), empty)
    assert found["after"]["value"] == pytest.approx(found["frequencies"], abs=0.15)
    assert found["difference"]["value"] == pytest.approx(found["after"]["value"] - found["before"]["value"])
    assert found == measure(load_encoder(tiny_encoder), empty, cores=2), "the same work is the same figure"


def test_frequencies_alone_are_worth_what_counting_says(tiny_encoder: Path) -> None:
    found = measure(load_encoder(tiny_encoder), load_encoder(tiny_encoder))
    masked = [mask_document(row, CONFIG.mask_share, SPECIAL, 4, seed=(1, index)) for index, row in enumerate(DOCUMENTS)]
    seen = Counter(token for row in masked[20:] for token in row.targets)
    vocabulary = {token for row in DOCUMENTS for token in row}
    total = sum(seen.values()) + 0.1 * len(vocabulary)
    hidden = [token for row in masked[:20] for token in row.targets]
    expected = -sum(math.log((seen[token] + 0.1) / total) for token in hidden) / len(hidden)
    assert found["frequencies"] == pytest.approx(expected, rel=1e-5)
    assert found["masked_tokens"] == len(hidden)


def test_a_head_learns_what_the_states_hold() -> None:
    decoder = torch.eye(4, 8)
    targets = torch.arange(4).repeat(20)
    hidden = F.one_hot(targets, 8).float()
    longer = CONFIG.model_copy(update={"steps": 300, "learning_rate": 1e-2})
    head = fit_head(hidden, targets, decoder, torch.zeros(4), longer, seed=0)
    assert (head(hidden).argmax(1) == targets).all()
    fresh = Head(decoder, torch.zeros(4), seed=0)
    assert F.cross_entropy(head(hidden), targets) < F.cross_entropy(fresh(hidden), targets) - 0.5


def test_masks_hide_ordinary_tokens_alone() -> None:
    for index, row in enumerate(DOCUMENTS):
        found = mask_document(row, 0.15, SPECIAL, 4, seed=(1, index))
        assert len(found.places) == max(1, round(0.15 * (len(row) - 2)))
        assert [row[place] for place in found.places] == found.targets
        assert not SPECIAL & set(found.targets)
        assert [token for place, token in enumerate(row) if place not in found.places] == [
            token for token in found.ids if token != 4
        ]


def test_states_are_those_of_the_masked_tokens_in_order(tiny_encoder: Path) -> None:
    encoder = load_encoder(tiny_encoder)
    masked = [mask_document(row, 0.3, SPECIAL, 4, seed=(1, index)) for index, row in enumerate(DOCUMENTS)]
    found = masked_states(encoder, masked, pad_token_id=0, cores=2)
    with torch.no_grad():
        alone = [encoder(torch.tensor([row.ids])).last_hidden_state[0, row.places] for row in masked]
    torch.testing.assert_close(found, torch.cat(alone), atol=1e-5, rtol=1e-4)
