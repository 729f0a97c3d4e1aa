from __future__ import annotations

from math import sqrt

import pytest
import torch

from tasks.objectives.embedding_distillation import distillation_loss


def test_by_hand() -> None:
    """One text of two tokens and one of padding: means (2, 0) and (1, 1), cosine 1/sqrt 2; errors 2/2 and 4/4."""
    student = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[1.0, 1.0], [2.0, 2.0], [5.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0]])
    loss = distillation_loss(student, teacher, mask, cosine_weight=2.0, hidden_weight=3.0)
    assert loss.item() == pytest.approx(2 * (1 - 1 / sqrt(2)) + 3 * (2 / 2 + 4 / 8) / 2, abs=1e-6)


def test_the_mean_over_texts_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(3, 5, 4, generator=generator) for _ in range(2))
    lengths = [5, 2, 3]
    mask = (torch.arange(5)[None] < torch.tensor(lengths)[:, None]).long()
    total = 0.0
    for s, t, n in zip(student, teacher, lengths, strict=True):
        a, b = s[:n].mean(0), t[:n].mean(0)
        cosine = float(a @ b / (a.norm() * b.norm()))
        error = sum(float((s[i] - t[i]).norm() ** 2 / t[i].norm() ** 2) for i in range(n)) / n
        total += 2 * (1 - cosine) + error
    loss = distillation_loss(student, teacher, mask, cosine_weight=2.0, hidden_weight=1.0)
    assert loss.item() == pytest.approx(total / 3, abs=1e-5)


def test_a_perfect_student_loses_nothing() -> None:
    hidden = torch.randn(2, 3, 4)
    loss = distillation_loss(hidden, hidden, torch.ones(2, 3), cosine_weight=2.0, hidden_weight=1.0)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
