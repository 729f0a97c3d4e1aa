"""Learning-rate schedules: pure functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[int], float]
"""Step (from 0) to the factor on the learning rate."""


def linear_schedule(steps: int, warmup_steps: int) -> Schedule:
    """Linear warm-up to 1 over `warmup_steps`, then linear decay that would reach 0 at `steps`.

    The first step already learns (factor 1 / warmup_steps) and so does the last (1 / (steps - warmup_steps)).

    Raises:
        ValueError: unless 0 <= warmup_steps < steps.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(
            f"warmup_steps={warmup_steps}: expected at least 0 and fewer than the {steps} steps of the training."
        )

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return (steps - step) / (steps - warmup_steps)

    return factor
