"""From the hidden states of a text's tokens to one vector. Shapes: B texts, T tokens, H hidden width."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Pooling = Literal["cls", "mean", "max"]


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Pool `hidden` (B, T, H) over the tokens where `mask` (B, T) is 1 to (B, H); padding never counts.

    `cls` takes the first token, `mean` the average, `max` the maximum of every dimension. A text without tokens is a
    defect of the caller: its mean is zero, its maximum minus infinity.
    """
    match pooling:
        case "cls":
            return hidden[:, 0]
        case "mean":
            weights = mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
            return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        case "max":
            return hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)
