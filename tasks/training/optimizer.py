"""AdamW (Loshchilov and Hutter 2019, 1711.05101), fused, and the moving average of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def adamw(
    parts: Sequence[tuple[nn.Module, float]],
    *,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """An optimiser over `parts`, pairs of a module and its peak learning rate (a head may learn faster).

    Biases and norms (fewer than two dimensions) are not decayed. A parameter shared by two parts belongs to the first.
    Parameters that need no gradient are left out.
    """
    groups: list[dict[str, object]] = []
    seen: set[int] = set()
    for module, learning_rate in parts:
        parameters = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen.update(id(p) for p in parameters)
        for decay, chosen in (
            (weight_decay, [p for p in parameters if p.dim() >= 2]),
            (0.0, [p for p in parameters if p.dim() < 2]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": learning_rate, "peak_lr": learning_rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=betas, eps=eps, fused=True)


def set_factor(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


class MovingAverage:
    """Exponential moving average of the trainable parameters: average = decay · average + (1 - decay) · weights."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay={decay}: expected a number between 0 and 1, both exclusive.")
        self.decay = decay
        self.average: dict[str, Tensor] = {
            name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        parameters = dict(model.named_parameters())
        torch._foreach_lerp_(
            list(self.average.values()), [parameters[name].detach() for name in self.average], 1.0 - self.decay
        )

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange average and weights; twice restores both, bit for bit."""
        parameters = dict(model.named_parameters())
        for name, average in self.average.items():
            kept = parameters[name].detach().clone()
            parameters[name].copy_(average)
            average.copy_(kept)
