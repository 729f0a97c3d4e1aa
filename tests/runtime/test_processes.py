"""Two runs at once, killed parents, killed children: with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runtime import toy
from tests.runtime.toy_session import new_road

PROGRAM = """
import sys
from pathlib import Path
from tests.runtime import toy
from tests.runtime.toy_session import new_road
last, ran, memory = new_road(Path(sys.argv[1]), join=toy.JoinConfig(seconds=float(sys.argv[2]))).run()
print(ran, [s[1] for s in memory.seen if s[0] == "waiting"], flush=True)
"""


def start(root: Path, seconds: float) -> subprocess.Popen[str]:
    here = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(here)},
        # What a shell starts in the background ignores SIGINT, and so does all that it starts, these tests as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_child(root: Path) -> int:
    """The process that works on `join`."""
    for _ in range(400):
        for file in root.glob("work/join/*/keep/started"):
            if text := file.read_text():
                return int(text)
        time.sleep(0.05)
    raise AssertionError("join never started")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
def test_of_two_runs_at_once_one_works_and_the_other_waits_and_reuses(tmp_path: Path) -> None:
    root = new_road(tmp_path / "ws").root
    first = start(root, 2)
    wait_for_child(root)
    second = start(root, 2)
    out1, _ = first.communicate(timeout=60)
    out2, _ = second.communicate(timeout=60)
    assert "'join'" in out1.split("]")[0]
    assert out2.strip() == "[] ['join']"


@pytest.mark.slow
def test_a_killed_parent_takes_its_child_along_and_frees_all_locks(tmp_path: Path) -> None:
    root = new_road(tmp_path / "ws").root
    parent = start(root, 60)
    child = wait_for_child(root)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)
    began = time.monotonic()
    _, ran, memory = new_road(root, join=toy.JoinConfig(seconds=0.0)).run()
    assert ran == ["join"]
    assert not [seen for seen in memory.seen if seen[0] == "waiting"]
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_an_interrupted_parent_ends_its_child(tmp_path: Path) -> None:
    root = new_road(tmp_path / "ws").root
    parent = start(root, 60)
    child = wait_for_child(root)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=60) != 0
    assert not alive(child)
