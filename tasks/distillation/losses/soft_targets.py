"""The teacher's softened probabilities as targets (Hinton, Vinyals and Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def soft_targets(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher || student) of every text, both softened by T: two (B, C) to (B,).

    The factor T² keeps the gradient's size when T changes.
    """
    student = F.log_softmax(logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    return temperature**2 * F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)
