"""Cross-entropy with the gold label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

NO_LABEL = -100
"""Stands for the label of a text that has none."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p(label) of every text: logits (B, C) and labels (B,) to (B,); 0 where the label is `NO_LABEL`."""
    return F.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="none")
