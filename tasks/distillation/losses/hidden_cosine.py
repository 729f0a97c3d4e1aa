"""The student's hidden states point where the teacher's do (Sanh et al. 2019, DistilBERT, arXiv 1910.01108)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def hidden_cosine(hidden: Tensor, teacher_hidden: Tensor, mask: Tensor) -> Tensor:
    """1 - cosine, averaged over the tokens of every text: two (B, T, H) and a mask (B, T) to (B,).

    Requires equal widths and the same tokens in both.
    """
    distance = 1.0 - F.cosine_similarity(hidden, teacher_hidden, dim=-1)  # (B, T)
    return (distance * mask).sum(1) / mask.sum(1).clamp(min=1)
