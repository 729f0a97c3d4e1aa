"""Masked language modelling against transformers' own, document by document."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
import torch
from transformers import BertModel

from tasks.objectives.mlm import IGNORED, mask_tokens, masked_lm_loss, masked_tokens, mean_loss, new_masked_lm

SPECIAL = (0, 1, 2, 3, 4)


def test_packed_and_masked_only_equals_bert_on_each_document_alone(tiny_encoder: Path) -> None:
    """The exact document mask, restarting positions and the head on masked tokens: all at once, to 1e-5."""
    model = new_masked_lm(BertModel.from_pretrained(tiny_encoder), dropout=0.0, seed=3).eval()
    generator = torch.Generator().manual_seed(0)
    lengths = [[5, 9, 4], [18]]  # documents of two rows of 20
    ids, segments, positions, labels = (torch.zeros(2, 20, dtype=torch.long) for _ in range(4))
    labels.fill_(IGNORED)
    total, count = 0.0, 0
    for row, parts in enumerate(lengths):
        at = 0
        for segment, length in enumerate(parts, start=1):
            document = torch.randint(5, model.config.vocab_size, (1, length), generator=generator)
            wanted = torch.full((1, length), IGNORED)
            wanted[0, 1:3] = torch.randint(5, model.config.vocab_size, (2,), generator=generator)
            span = slice(at, at + length)
            ids[row, span], labels[row, span], segments[row, span] = document[0], wanted[0], segment
            positions[row, span] = torch.arange(length)
            total += model(input_ids=document, labels=wanted).loss.item() * 2
            count += 2
            at += length
    batch = {"input_ids": ids, "segment_ids": segments, "position_ids": positions, "labels": labels}
    assert masked_tokens(batch) == count == 8
    assert masked_lm_loss(model, batch).item() == pytest.approx(total / count, abs=1e-5)
    assert mean_loss(model, [batch, batch]) == pytest.approx(total / count, abs=1e-5)


def test_the_decoder_is_tied_and_the_encoder_is_the_base(tiny_encoder: Path) -> None:
    base = BertModel.from_pretrained(tiny_encoder)
    model = new_masked_lm(base, dropout=0.1, seed=3)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    for name, weight in model.bert.state_dict().items():
        assert torch.equal(weight, base.state_dict()[name])


def masked(**options: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 1000, (100, 100), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, 50] = 2, 3
    segments = torch.ones_like(ids)
    segments[:, 90:] = 0
    shares = {"probability": 0.15, "mask_share": 0.8, "random_share": 0.1, **options}
    inputs, labels = mask_tokens(
        ids,
        segments,
        generator=torch.Generator().manual_seed(2),
        mask_token_id=4,
        special_token_ids=SPECIAL,
        vocab_size=1000,
        **shares,
    )
    return ids, inputs, labels


def within(hits: int, draws: int, probability: float) -> bool:
    """Within four standard deviations of a binomial."""
    return abs(hits - draws * probability) <= 4 * sqrt(draws * probability * (1 - probability))


def test_rates_are_15_and_80_10_10() -> None:
    ids, inputs, labels = masked()
    chosen = labels != IGNORED
    n = int(chosen.sum())
    assert within(n, 100 * 88, 0.15)
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(inputs[~chosen], ids[~chosen])
    hidden = int((inputs[chosen] == 4).sum())
    same = int((inputs[chosen] == ids[chosen]).sum())
    assert within(hidden, n, 0.8)
    assert within(same, n, 0.1)
    assert within(n - hidden - same, n, 0.1)


def test_special_tokens_and_padding_are_never_chosen_nor_drawn() -> None:
    ids, inputs, labels = masked(probability=0.99, mask_share=0.0, random_share=1.0)
    assert (labels[:, [0, 50]] == IGNORED).all()
    assert (labels[:, 90:] == IGNORED).all()
    assert not torch.isin(inputs[labels != IGNORED], torch.tensor(SPECIAL)).any()
    assert torch.equal(inputs[:, 90:], ids[:, 90:])


def test_a_batch_without_masked_tokens_has_loss_zero_and_cannot_be_judged(tiny_encoder: Path) -> None:
    model = new_masked_lm(BertModel.from_pretrained(tiny_encoder), dropout=0.0, seed=0)
    ones = torch.ones(1, 4, dtype=torch.long)
    batch = {"input_ids": ones, "segment_ids": ones, "position_ids": ones, "labels": ones * IGNORED}
    assert masked_lm_loss(model, batch).item() == 0.0
    with pytest.raises(ValueError, match="no token is masked"):
        mean_loss(model, [batch])
