"""Which item is read at which step: an epoch is a shuffle of all items, and a step's batch follows from its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline_config.pretraining import PretrainConfig
from tasks.runtime.errors import RefusedInput, StageFailed
from tasks.training.loop import step_seed

_POOL = 32  # batches that are sorted by length together


def repeated(
    items: NDArray[np.int64],
    sources: NDArray[np.integer],
    names: Sequence[str],
    mixture: Mapping[str, float],
    seed: int,
) -> NDArray[np.int64]:
    """Items as often as their source's weight says; of the fraction of a weight, a sample by `seed`.

    Args:
        items: (N,) what is repeated.
        sources: (N,) index into `names`.

    Raises:
        RefusedInput: the mixture names an unknown source.
    """
    unknown = sorted(set(mixture) - set(names))
    if unknown:
        raise RefusedInput(
            f"pretrain.mixture.{unknown[0]}: the corpus has no source {unknown[0]!r}; expected one of "
            f"{', '.join(names)}."
        )
    weights = np.array([mixture.get(name, 1.0) for name in names])[sources]  # (N,)
    draws = np.random.Generator(np.random.PCG64(step_seed(seed, 0, "mixture"))).random(len(items))
    copies = np.floor(weights) + (draws < weights % 1.0)
    return np.repeat(items, copies.astype(np.int64))


class Order:
    """The batches of all steps.

    Args:
        lengths: (N,) tokens of each item.
        batch_size: items of a step.
        by_length: put items of similar length into one batch (within pools of some batches, so that order stays
            random).
    """

    def __init__(self, lengths: NDArray[np.integer], *, batch_size: int, seed: int, by_length: bool) -> None:
        if not len(lengths):
            raise StageFailed(
                "pretrain: there is nothing to learn from. Expected at least one document with text that is not held "
                "out and whose source has a weight above 0; see pretrain.mixture and select."
            )
        self.lengths = np.asarray(lengths)
        self.batch_size = min(batch_size, len(lengths))
        self.seed = seed
        self.by_length = by_length
        self.steps_per_epoch = len(lengths) // self.batch_size
        self._epoch: Callable[[int], NDArray[np.int64]] = lru_cache(maxsize=2)(self._shuffled)

    def batch(self, step: int) -> NDArray[np.int64]:
        """(B,) item numbers of a step. The items that are left when no whole batch is are skipped in that epoch."""
        epoch, index = divmod(step, self.steps_per_epoch)
        batch: NDArray[np.int64] = self._epoch(epoch)[index]
        return batch

    def steps_for(self, tokens: int) -> int:
        """The fewest steps that read `tokens` tokens."""
        done = steps = 0
        while done < tokens:
            done += int(self.lengths[self.batch(steps)].sum())
            steps += 1
        return steps

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        """(steps_per_epoch, B)"""
        rng = np.random.Generator(np.random.PCG64(step_seed(self.seed, epoch, "order")))
        order = rng.permutation(len(self.lengths))[: self.steps_per_epoch * self.batch_size]
        if self.by_length:
            size = _POOL * self.batch_size
            pools = [order[begin : begin + size] for begin in range(0, len(order), size)]
            order = np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in pools])
        batches = order.reshape(-1, self.batch_size)
        return rng.permutation(batches) if self.by_length else batches


def steps_of(config: PretrainConfig, order: Order) -> int:
    """The budget in steps.

    Raises:
        RefusedInput: the warm-up does not fit.
    """
    budget = config.budget
    steps = budget.steps if budget.kind == "steps" else order.steps_for(budget.tokens)
    if config.warmup_steps >= steps:
        raise RefusedInput(
            f"pretrain.warmup_steps={config.warmup_steps}: the budget is {steps} steps; expected fewer steps of "
            "warm-up, or a larger pretrain.budget."
        )
    return steps
