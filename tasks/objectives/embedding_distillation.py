"""Distil the embeddings of a base encoder into fewer of its own layers, on the domain's text, without labels.

The student learns where the teacher puts a text (cosine of the mean-pooled embeddings, as in Reimers and Gurevych
2020, 2004.09813) and what it makes of each token (hidden states, as in TinyBERT, Jiao et al. 2020, 1909.10351).
Shapes: B texts, T tokens, H hidden width, the same for both.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from tasks.modelling.pooling import pool


def distillation_loss(
    student: Tensor, teacher: Tensor, mask: Tensor, *, cosine_weight: float, hidden_weight: float
) -> Tensor:
    """Mean over texts of `cosine_weight` · (1 - cos) + `hidden_weight` · relative squared error. A scalar.

    Args:
        student: last hidden states, (B, T, H).
        teacher: the same of the teacher.
        mask: (B, T), 1 where there is a token. The error of a text is the mean over its tokens of
            |student - teacher|² / |teacher|²; padding never counts.
    """
    student, teacher = student.float(), teacher.float()
    cosine = F.cosine_similarity(pool(student, mask, "mean"), pool(teacher, mask, "mean"), dim=-1)  # (B,)
    error = (student - teacher).square().sum(-1) / teacher.square().sum(-1).clamp(min=1e-12)  # (B, T)
    weights = mask.to(error.dtype)
    error = (error * weights).sum(1) / weights.sum(1).clamp(min=1.0)  # (B,)
    return (cosine_weight * (1.0 - cosine) + hidden_weight * error).mean()


def hidden_states(encoder: PreTrainedModel, input_ids: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states, (B, T, H), of texts (B, T)."""
    hidden: Tensor = encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
    return hidden


@torch.no_grad()
def teacher_states(teacher: PreTrainedModel, input_ids: Tensor, mask: Tensor) -> Tensor:
    """What the teacher makes of texts; the teacher never learns."""
    return hidden_states(teacher, input_ids, mask)
