"""What adaptation cost on general text: masked-LM loss of the frozen encoder before and after it.

A sentence encoder has no language-model head, so each encoder gets one of its own, fitted in the same way: same initial
values, texts, masks and steps. The head is BERT's (dense, GELU, LayerNorm; Devlin et al. 2019) on a decoder that
stays fixed for both: the word embeddings from before. What differs is only what the hidden states hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from pipeline_config.evaluation import ForgettingConfig
from tasks.downstream.intervals import Bootstrap
from tasks.modelling.inference import collate
from tasks.modelling.threads import parallel
from tasks.training.schedule import linear_schedule


@dataclass(frozen=True)
class MaskedBatch:
    input_ids: Tensor
    """(B, T), masks in place."""
    attention_mask: Tensor
    """(B, T)."""
    rows: Tensor
    """(M,) and `columns` (M,): where the masked tokens are."""
    columns: Tensor
    targets: Tensor
    """(M,) what they were."""


class Head(nn.Module):
    """`(M, H) -> (M, V)`; the decoder's weight (V, H) is given and fixed."""

    def __init__(self, decoder: Tensor, *, seed: int):
        super().__init__()
        width = decoder.shape[1]
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(decoder.shape[0]))
        self.decoder = decoder
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.dense.weight.normal_(std=width**-0.5, generator=generator)
            self.dense.bias.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        return F.linear(self.norm(F.gelu(self.dense(hidden))), self.decoder, self.bias)


def measure_forgetting(
    before: PreTrainedModel,
    after: PreTrainedModel,
    documents: Sequence[list[int]],
    *,
    config: ForgettingConfig,
    special_ids: frozenset[int],
    mask_token_id: int,
    pad_token_id: int,
    resamples: int,
    confidence: float,
    seed: int,
    cores: int,
) -> dict[str, Any]:
    """Loss (nats per masked token) of both encoders on held-out general documents, and the paired difference.

    `documents`: token ids, specials included, in an order that says nothing about them; the first are held out. Each
    holds at least one ordinary token. The same encoder twice gives a difference of exactly 0.
    """
    held_out = min(config.held_out, len(documents) // 2)
    batches = [
        _mask(documents, rows, config, special_ids, mask_token_id, pad_token_id, seed)
        for rows in _batches(len(documents), held_out, config)
    ]
    training, judging = batches[: config.steps], batches[config.steps :]
    decoder = before.get_input_embeddings().weight.detach()
    fits = [
        lambda encoder=encoder: _fit_and_judge(encoder, decoder, training, judging, config, seed)
        for encoder in (before, after)
    ]
    (losses_before, counts), (losses_after, _) = parallel(fits, cores)
    bootstrap = Bootstrap.of(
        labels=np.zeros(held_out, dtype=np.int64),
        groups=np.arange(held_out),
        classes=1,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return {
        "unit": "nats per masked token",
        "before": bootstrap.ratio(losses_before, counts).as_dict(),
        "after": bootstrap.ratio(losses_after, counts).as_dict(),
        "difference": bootstrap.ratio(losses_after - losses_before, counts).as_dict(),
        "documents": held_out,
        "masked_tokens": int(counts.sum()),
    }


def _batches(count: int, held_out: int, config: ForgettingConfig) -> list[list[int]]:
    """Documents of each step of fitting (going round where there are too few), then those that are judged."""
    size, rest = config.batch_size, count - held_out
    fitting = [[held_out + (step * size + slot) % rest for slot in range(size)] for step in range(config.steps)]
    return fitting + [list(range(start, min(start + size, held_out))) for start in range(0, held_out, size)]


def _mask(
    documents: Sequence[list[int]],
    rows: list[int],
    config: ForgettingConfig,
    special_ids: frozenset[int],
    mask_token_id: int,
    pad_token_id: int,
    seed: int,
) -> MaskedBatch:
    ids, attention = collate([documents[row] for row in rows], pad_token_id)
    places: list[tuple[int, int]] = []
    for slot, row in enumerate(rows):
        free = [column for column, token in enumerate(documents[row]) if token not in special_ids]
        count = max(1, round(config.mask_share * len(free)))
        chosen = np.random.default_rng((seed, row)).choice(len(free), size=count, replace=False)
        places += [(slot, free[index]) for index in sorted(chosen)]
    where, columns = (torch.tensor(part) for part in zip(*places, strict=True))
    targets = ids[where, columns].clone()
    ids[where, columns] = mask_token_id
    return MaskedBatch(ids, attention, where, columns, targets)


def _fit_and_judge(
    encoder: PreTrainedModel,
    decoder: Tensor,
    training: Sequence[MaskedBatch],
    judging: Sequence[MaskedBatch],
    config: ForgettingConfig,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of losses and number of masked tokens of each held-out document, both (D,)."""
    encoder.eval()
    head = Head(decoder, seed=seed)
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=0.0)
    factor = linear_schedule(len(training), len(training) // 10)
    for step, batch in enumerate(training):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * factor(step)
        loss = F.cross_entropy(head(_hidden(encoder, batch)), batch.targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    losses, counts = [], []
    for batch in judging:
        with torch.no_grad():
            each = F.cross_entropy(head(_hidden(encoder, batch)), batch.targets, reduction="none")  # (M,)
        size = len(batch.input_ids)
        losses.append(np.bincount(batch.rows.numpy(), weights=each.double().numpy(), minlength=size))
        counts.append(np.bincount(batch.rows.numpy(), minlength=size))
    return np.concatenate(losses), np.concatenate(counts).astype(np.float64)


def _hidden(encoder: PreTrainedModel, batch: MaskedBatch) -> Tensor:
    """Hidden states of the masked tokens, (M, H)."""
    with torch.no_grad():
        states: Tensor = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
    return states[batch.rows, batch.columns]
