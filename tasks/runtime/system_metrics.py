"""What a node's processes use while it works: CPU and memory of the child and all that it started, as time goes by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psutil

from tasks.runtime.metric_names import Point

FIRST_SECONDS, OFTEN_SECONDS, SELDOM_SECONDS = 0.5, 2.0, 10.0
OFTEN = 30
"""So many points come often: a short node shows a curve, and one of hours does not fill the database."""


class Sampler:
    """A thread that hands points to `record` until it is stopped or the process has ended."""

    def __init__(self, pid: int, record: Callable[[list[Point]], None]) -> None:
        self._pid, self._record = pid, record
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name=f"sampler-{pid}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        try:
            root = psutil.Process(self._pid)
        except psutil.NoSuchProcess:
            return
        step, clock, used = 0, time.monotonic(), 0.0
        wait = FIRST_SECONDS
        while not self._ended.wait(wait):
            found = _usage(root)
            if found is None:
                return
            now = time.monotonic()
            cpu, memory, count = found
            # A worker that has ended takes its seconds with it, unless its parent waited for it.
            percent = 100 * max(0.0, cpu - used) / (now - clock)
            self._record(
                [
                    ("system/cpu_percent", percent, step),
                    ("system/memory_megabytes", memory / 1e6, step),
                    ("system/processes", float(count), step),
                ]
            )
            step, clock, used = step + 1, now, cpu
            wait = OFTEN_SECONDS if step < OFTEN else SELDOM_SECONDS


def _usage(root: psutil.Process) -> tuple[float, int, int] | None:
    """CPU seconds so far, resident bytes and count of a process and its descendants; None if it has ended."""
    cpu, memory, count = 0.0, 0, 0
    try:
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return None
    for process in processes:
        try:
            with process.oneshot():
                times = process.cpu_times()
                resident = process.memory_info().rss
        except psutil.Error:  # it ended just now
            continue
        cpu += times.user + times.system + times.children_user + times.children_system
        memory += resident
        count += 1
    return (cpu, memory, count) if memory else None  # of one that nobody has waited for yet there is a name only
