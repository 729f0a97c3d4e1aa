"""Test texts through a torch classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.modelling.classifier import TextClassifier
from tasks.modelling.inference import collate
from tasks.modelling.threads import parallel

BATCH_SIZE = 16


def probabilities(
    model: TextClassifier, rows: Sequence[Sequence[int]], *, pad_token_id: int, cores: int
) -> NDArray[np.float32]:
    """Probabilities (N, C) of encoded texts; texts of similar length share a batch."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index]), index))
    batches = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]

    def job(members: list[int]) -> Callable[[], NDArray[np.float32]]:
        def compute() -> NDArray[np.float32]:
            with torch.inference_mode():
                logits = model(*collate([rows[index] for index in members], pad_token_id)).logits
                return np.asarray(torch.softmax(logits, dim=-1).numpy())

        return compute

    found = np.zeros((len(rows), len(model.labels)), dtype=np.float32)
    for members, part in zip(batches, parallel([job(members) for members in batches], cores), strict=True):
        found[members] = part
    return found
