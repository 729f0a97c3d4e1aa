"""Batches of texts of similar length: little padding, and still another order in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from tasks.training.loop import step_seed

POOL_BATCHES = 8
"""Texts are sorted by length within pools of this many batches: larger pools pad less and mix less."""


def length_bucketed_batches(
    lengths: Sequence[int], batch_size: int, seed: int
) -> tuple[int, Callable[[int], list[int]]]:
    """The steps of an epoch, and which texts the batch of each step of a training holds."""
    epoch_steps = -(-len(lengths) // batch_size)

    @lru_cache(maxsize=2)
    def epoch_batches(epoch: int) -> list[list[int]]:
        return length_bucketed_epoch(lengths, batch_size, seed, epoch)

    def chosen(step: int) -> list[int]:
        return epoch_batches(step // epoch_steps)[step % epoch_steps]

    return epoch_steps, chosen


def length_bucketed_epoch(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """All texts once, as batches of indices: shuffled, sorted by length within pools, batches shuffled.

    A pure function of its arguments. Every batch is full but one, which holds the remainder.
    """
    generator = np.random.default_rng(step_seed(seed, epoch, "order"))
    order = generator.permutation(len(lengths)).tolist()
    batches: list[list[int]] = []
    pool = POOL_BATCHES * batch_size
    for start in range(0, len(order), pool):
        chosen = sorted(order[start : start + pool], key=lambda index: lengths[index])
        batches += [chosen[first : first + batch_size] for first in range(0, len(chosen), batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]
