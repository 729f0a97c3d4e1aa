"""What adaptation cost on general text: masked-LM loss of the frozen encoder before and after it.

A sentence encoder has no language-model head, so each encoder gets one of its own, fitted in the same way: same initial
values, texts, masks, dropout and steps. The head is BERT's (dense, GELU, LayerNorm; Devlin et al. 2019) on a decoder
that stays fixed for both: the word embeddings from before, of the tokens that are most frequent behind the masks. Its
bias starts as their frequencies, so that what is learnt is what the hidden states hold beyond them.

It reads the states of the masked token and of both its neighbours: an encoder that was trained to be pooled keeps next
to nothing about a word in the state of the mask alone. Frequent words alone are asked for, as a head for all words
would not be learnt from some thousand texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

DOCUMENTS_PER_BATCH = 32
LEARNT = 0.2
"""Nats that the head must surely be below guessing by frequency before a change of it says anything."""


@dataclass(frozen=True)
class Masked:
    """A document with the mask token at `places`."""

    ids: list[int]
    places: list[int]
    targets: list[int]
    """What the tokens at `places` were."""


class Head(nn.Module):
    """`(M, W) -> (M, V)`; the decoder's weight (V, H) is given and fixed, the bias (V,) is where it starts."""

    def __init__(self, width: int, decoder: Tensor, bias: Tensor, *, seed: int):
        super().__init__()
        self.dense, self.norm = nn.Linear(width, decoder.shape[1]), nn.LayerNorm(decoder.shape[1])
        self.bias = nn.Parameter(bias.clone())
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
    holds at least one ordinary token. The same encoder twice gives a difference of exactly 0. `frequencies` is the loss
    of guessing by the tokens' frequencies alone: what a head on an empty encoder comes down to. Where the head on
    `before` is not surely better than that, there is nothing to forget: `{"skipped": why}`.
    """
    held_out = min(config.held_out_documents, len(documents) // 2)
    masked = [
        mask_document(row, config.mask_share, special_ids, mask_token_id, seed=(seed, index))
        for index, row in enumerate(documents)
    ]
    wanted = np.concatenate([row.targets for row in masked])  # (A,) all masked tokens
    owners = np.repeat(np.arange(len(masked)), [len(row.places) for row in masked])  # (A,) document of each
    tokens_seen, times = np.unique(wanted[owners >= held_out], return_counts=True)
    vocabulary = np.sort(tokens_seen[np.argsort(-times, kind="stable")[: config.vocabulary]])  # (V,)
    asked = np.isin(wanted, vocabulary)  # (A,), of which M are true
    owners = owners[asked]
    targets = torch.from_numpy(np.searchsorted(vocabulary, wanted[asked]))  # (M,)
    judged = torch.from_numpy(owners < held_out)
    if not judged.any():
        return {"skipped": "not measurable: no frequent token is masked in the held-out documents"}
    decoder = before.get_input_embeddings().weight.detach()[torch.from_numpy(vocabulary)]
    counts = torch.bincount(targets[~judged], minlength=len(vocabulary)) + 0.1
    bias = torch.log(counts / counts.sum())

    def by_document(logits: Tensor) -> NDArray[np.float64]:
        """(D,) sum of the losses of each held-out document's masked tokens."""
        each = F.cross_entropy(logits, targets[judged], reduction="none")  # (M,)
        return np.bincount(owners[judged.numpy()], weights=each.double().numpy(), minlength=held_out).astype(np.float64)

    def losses_of(encoder: PreTrainedModel) -> Callable[[], NDArray[np.float64]]:
        hidden = masked_states(encoder, masked, pad_token_id, cores)[torch.from_numpy(asked)]

        def compute() -> NDArray[np.float64]:
            head = fit_head(hidden[~judged], targets[~judged], decoder, bias, config, seed)
            with torch.no_grad():
                return by_document(head(hidden[judged]))

        return compute

    loss_before, loss_after = parallel([losses_of(before), losses_of(after)], cores)
    frequencies = by_document(bias.expand(int(judged.sum()), -1))
    tokens = np.bincount(owners[judged.numpy()], minlength=held_out).astype(np.float64)
    bootstrap = Bootstrap.of(
        labels=np.zeros(held_out, dtype=np.int64),
        groups=np.arange(held_out),
        classes=1,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    learnt = bootstrap.ratio(frequencies - loss_before, tokens).as_dict()
    if learnt["low"] < LEARNT:
        return {
            "skipped": f"not measurable: the head gains {learnt['value']:.2f} nats on guessing by frequency",
        }
    return {
        "unit": "nats per masked token",
        "before": bootstrap.ratio(loss_before, tokens).as_dict(),
        "after": bootstrap.ratio(loss_after, tokens).as_dict(),
        "difference": bootstrap.ratio(loss_after - loss_before, tokens).as_dict(),
        "frequencies": float(frequencies.sum() / tokens.sum()),
        "documents": held_out,
        "masked_tokens": int(tokens.sum()),
    }


def mask_document(
    ids: list[int], share: float, special_ids: frozenset[int], mask_token_id: int, *, seed: tuple[int, ...]
) -> Masked:
    """Put the mask token in place of a share of the ordinary tokens, of at least one."""
    free = [place for place, token in enumerate(ids) if token not in special_ids]
    count = max(1, round(share * len(free)))
    chosen = np.random.default_rng(seed).choice(len(free), size=count, replace=False)
    places = sorted(free[index] for index in chosen)
    hidden = [mask_token_id if place in places else token for place, token in enumerate(ids)]
    return Masked(hidden, places, [ids[place] for place in places])


def masked_states(encoder: PreTrainedModel, rows: Sequence[Masked], pad_token_id: int, cores: int) -> Tensor:
    """Hidden states of the masked tokens of all documents and of those before and after them, in order, (A, 3 H)."""
    encoder.eval()
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index].ids), index))
    batches = [order[start : start + DOCUMENTS_PER_BATCH] for start in range(0, len(order), DOCUMENTS_PER_BATCH)]

    def job(members: list[int]) -> Callable[[], list[Tensor]]:
        def compute() -> list[Tensor]:
            ids, mask = collate([rows[index].ids for index in members], pad_token_id)
            with torch.no_grad():
                hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, H)
            return [
                beside(hidden[slot, : len(rows[index].ids)], rows[index].places) for slot, index in enumerate(members)
            ]

        return compute

    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for members, states in zip(batches, parallel([job(members) for members in batches], cores), strict=True):
        for index, state in zip(members, states, strict=True):
            found[index] = state
    return torch.cat(found)


def beside(hidden: Tensor, places: list[int]) -> Tensor:
    """States (T, H) before, at and after each place, side by side; at an end of the text the token's own again."""
    at = torch.tensor(places)
    return torch.cat([hidden[(at + step).clamp(0, len(hidden) - 1)] for step in (-1, 0, 1)], dim=1)


def fit_head(
    hidden: Tensor, targets: Tensor, decoder: Tensor, bias: Tensor, config: ForgettingConfig, seed: int
) -> Head:
    """Fit a head to hidden states (M, W) and targets (M,), going round as often as the steps ask for."""
    head = Head(hidden.shape[1], decoder, bias, seed=seed)
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    factor = linear_schedule(config.steps, config.steps // 10)
    rng, dropout = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    order = np.concatenate(
        [rng.permutation(len(targets)) for _ in range(config.steps * config.batch_size // len(targets) + 1)]
    )
    for step in range(config.steps):
        rows = torch.from_numpy(order[step * config.batch_size : (step + 1) * config.batch_size])
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * factor(step)
        states = hidden[rows]
        kept = torch.rand(states.shape, generator=dropout) >= config.dropout
        loss = F.cross_entropy(head(states * kept / (1 - config.dropout)), targets[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch types it not
        optimizer.step()
    return head
