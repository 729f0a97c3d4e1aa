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
from tasks.evaluation import forgetting
from tasks.evaluation.forgetting import Head, Masked, fit_head, mask_document, masked_states, measure_forgetting
from tasks.modelling.encoder import load_encoder

SPECIAL = frozenset(range(5))
CONFIG = ForgettingConfig(
    held_out_documents=20, steps=150, batch_size=32, learning_rate=1e-2, dropout=0.1, weight_decay=0.0
)
DOCUMENTS = [[2, *(10 + (index + place) % 4 for place in range(5 + index % 7)), 3] for index in range(120)]
"""Tokens in turn, so that neighbours tell what is between them."""


def measure(before: Any, after: Any, cores: int = 1, documents: list[list[int]] = DOCUMENTS) -> dict[str, Any]:
    return measure_forgetting(
        before,
        after,
        documents,
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
    assert found["before"]["value"] < found["frequencies"] - 0.6
    assert found["after"]["value"] == pytest.approx(found["frequencies"], abs=0.15)
    assert found["difference"]["low"] > 0.5
    assert found["difference"]["value"] == pytest.approx(found["after"]["value"] - found["before"]["value"])
    assert found == measure(load_encoder(tiny_encoder), empty, cores=2), "the same work is the same figure"


def test_where_nothing_is_learnt_nothing_can_be_forgotten(tiny_encoder: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [[2, *rng.choice([10, 11, 12, 13], size=8).tolist(), 3] for _ in range(120)]
    found = measure(load_encoder(tiny_encoder), load_encoder(tiny_encoder), documents=noise)
    assert list(found) == ["skipped"]
    assert "not measurable" in found["skipped"]


def test_only_the_most_frequent_of_the_masked_tokens_are_asked_for(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "LEARNT", -math.inf)
    monkeypatch.setitem(globals(), "CONFIG", CONFIG.model_copy(update={"vocabulary": 2, "steps": 5}))
    found = measure(load_encoder(tiny_encoder), load_encoder(tiny_encoder))
    masked = masked_rows()
    seen = Counter(token for row in masked[20:] for token in row.targets)
    frequent = sorted(seen, key=lambda token: (-seen[token], token))[:2]
    assert found["masked_tokens"] == sum(token in frequent for row in masked[:20] for token in row.targets)


def masked_rows() -> list[Masked]:
    return [mask_document(row, CONFIG.mask_share, SPECIAL, 4, seed=(1, index)) for index, row in enumerate(DOCUMENTS)]


def test_frequencies_alone_are_worth_what_counting_says(tiny_encoder: Path) -> None:
    found = measure(load_encoder(tiny_encoder), load_encoder(tiny_encoder))
    masked = masked_rows()
    seen = Counter(token for row in masked[20:] for token in row.targets)
    total = sum(seen.values()) + 0.1 * len(seen)
    hidden = [token for row in masked[:20] for token in row.targets]
    expected = -sum(math.log((seen[token] + 0.1) / total) for token in hidden) / len(hidden)
    assert found["frequencies"] == pytest.approx(expected, rel=1e-5)
    assert found["masked_tokens"] == len(hidden)


def test_a_head_learns_what_the_states_hold() -> None:
    decoder = torch.eye(4, 8)
    targets = torch.arange(4).repeat(20)
    hidden = F.one_hot(targets, 8).float()
    longer = CONFIG.model_copy(update={"steps": 100, "dropout": 0.0})
    head = fit_head(hidden, targets, decoder, torch.zeros(4), longer, seed=0)
    assert (head(hidden).argmax(1) == targets).all()
    fresh = Head(8, decoder, torch.zeros(4), seed=0)
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
        whole = [encoder(torch.tensor([row.ids])).last_hidden_state[0] for row in masked]
    alone = [
        torch.cat([states[torch.tensor(row.places) + by] for by in (-1, 0, 1)], 1)
        for states, row in zip(whole, masked, strict=True)
    ]
    torch.testing.assert_close(found, torch.cat(alone), atol=1e-5, rtol=1e-4)
