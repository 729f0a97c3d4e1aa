"""Texts through a model, in batches of similar length. Shapes: N texts, B texts a batch, T tokens, H width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.modelling.classifier import TextClassifier


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_seq_length: int) -> list[list[int]]:
    """Token ids of every text, special tokens included, cut to `max_seq_length` at the tokenizer's truncation side."""
    if not texts:
        return []
    ids = tokenizer(list(texts), truncation=True, max_length=max_seq_length, return_attention_mask=False)["input_ids"]
    return [list(row) for row in ids]


def collate(rows: Sequence[Sequence[int]], pad_token_id: int) -> tuple[Tensor, Tensor]:
    """Pad rows of ids to the longest: `input_ids` and `attention_mask`, both (B, T) int64."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.as_tensor(row, dtype=torch.long)
        mask[index, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def run_batches(
    rows: Sequence[Sequence[int]],
    function: Callable[[Tensor, Tensor], Tensor],
    *,
    pad_token_id: int,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Apply `function(input_ids, attention_mask) -> (B, …)` to rows by length; return (N, …) float32 in order."""
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index]), index))
    found: list[Tensor] = []
    for start in range(0, len(order), batch_size):
        ids, mask = collate([rows[index] for index in order[start : start + batch_size]], pad_token_id)
        found.append(function(ids.to(device), mask.to(device)).float().cpu())
        if progress:
            progress(min(start + batch_size, len(order)), len(order))
    result = torch.cat(found)
    restored = torch.empty_like(result)
    restored[torch.tensor(order)] = result
    return restored


def predict_logits(
    model: TextClassifier,
    rows: Sequence[Sequence[int]],
    *,
    pad_token_id: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Logits (N, C) of encoded texts; the model's mode is restored afterwards."""

    def logits(ids: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = model(ids, mask).logits
        return found

    training = model.training
    model.eval()
    try:
        return run_batches(rows, logits, pad_token_id=pad_token_id, device=device, progress=progress)
    finally:
        model.train(training)


def extract_features(
    model: TextClassifier, rows: Sequence[Sequence[int]], *, pad_token_id: int, device: torch.device | str = "cpu"
) -> Tensor:
    """What the head sees of encoded texts, (N, H); the model's mode is restored afterwards."""
    training = model.training
    model.eval()
    try:
        return run_batches(rows, model.features, pad_token_id=pad_token_id, device=device)
    finally:
        model.train(training)
