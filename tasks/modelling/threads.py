"""Torch on all cores with bits that do not depend on how many there are.

Spreading one matrix product over threads changes the order of its sums, and with it the last digits, from machine to
machine. So each job is computed by one thread, and several jobs run at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """torch computes with one thread inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parallel(jobs: Sequence[Callable[[], T]], cores: int) -> list[T]:
    """Results of independent jobs, in order; at most `cores` at once, each computed by one thread."""
    with one_thread_each(), ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(lambda job: job(), jobs))
