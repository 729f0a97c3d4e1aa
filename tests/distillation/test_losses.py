import math

import pytest
import torch

from tasks.distillation.losses.cross_entropy import NO_LABEL, cross_entropy
from tasks.distillation.losses.hidden_cosine import hidden_cosine
from tasks.distillation.losses.soft_targets import soft_targets


def test_cross_entropy_by_formula_and_nothing_without_a_label():
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, -5.0]])
    found = cross_entropy(logits, torch.tensor([0, NO_LABEL]))
    assert found.tolist() == pytest.approx([math.log(4.0), 0.0])


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_soft_targets_by_formula(temperature):
    student, teacher = [0.5, -1.0, 2.0], [1.0, 0.0, -2.0]

    def soften(logits):
        exponents = [math.exp(value / temperature) for value in logits]
        return [value / sum(exponents) for value in exponents]

    pairs = zip(soften(teacher), soften(student), strict=True)
    expected = temperature**2 * sum(p * math.log(p / q) for p, q in pairs)
    found = soft_targets(torch.tensor([student, teacher]), torch.tensor([teacher, teacher]), temperature)
    assert found.tolist() == pytest.approx([expected, 0.0], abs=1e-5)


def test_t_squared_keeps_the_size_of_the_gradient():
    """For large T the gradient tends to (student - teacher) / C for centred logits (Hinton et al., section 2.1)."""
    student = torch.tensor([[1.0, -1.0]], requires_grad=True)
    soft_targets(student, torch.tensor([[3.0, -3.0]]), 1000.0).sum().backward()
    assert student.grad.tolist()[0] == pytest.approx([-1.0, 1.0], rel=1e-2)


def test_hidden_cosine_counts_only_tokens():
    hidden = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [7.0, 7.0]]])
    teacher = torch.tensor([[[3.0, 0.0], [1.0, 1.0], [-7.0, 7.0]]])
    found = hidden_cosine(hidden, teacher, torch.tensor([[1, 1, 0]]))
    assert found.tolist() == pytest.approx([(0.0 + 1.0 - math.sqrt(0.5)) / 2])
