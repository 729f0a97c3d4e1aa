"""A process with a child of its own, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import time

from tasks.runtime.metric_names import Point
from tasks.runtime.system_metrics import Sampler

BUSY = "x = b'x' * 30_000_000\nwhile True: sum(range(10_000))"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def test_a_process_and_what_it_started_are_sampled_until_they_end() -> None:
    points: list[Point] = []
    with subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True) as process:
        sampler = Sampler(process.pid, points.extend)
        end = time.monotonic() + 30
        while len(points) < 6 and time.monotonic() < end:
            time.sleep(0.05)
        import os
        import signal

        os.killpg(process.pid, signal.SIGKILL)
    sampler.stop()
    by_name = {name: value for name, value, _ in points}
    assert by_name["system/processes"] == 2
    assert by_name["system/memory_megabytes"] > 30
    assert max(value for name, value, _ in points if name == "system/cpu_percent") > 1
    assert [step for name, _, step in points if name == "system/processes"][:2] == [0, 1]


def test_a_process_that_is_gone_is_no_failure() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    points: list[Point] = []
    Sampler(ended.pid, points.extend).stop()
    assert points == []
