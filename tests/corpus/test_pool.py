"""Workers: every item once, in whatever process; what kills one costs its item alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.corpus.pool import each
from tasks.runtime.errors import StageFailed, full_disk
from tests.corpus.crew import Logged, raise_unpicklable, refuse


def calls(log: Path) -> dict[int, int]:
    return {int(path.name): len(path.read_text().split()) for path in log.iterdir()}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_item_is_done_once(tmp_path: Path, workers: int) -> None:
    found = dict(each(Logged(tmp_path), list(range(10)), workers))
    assert {place: value for place, (value, _) in found.items()} == {place: place**2 for place in range(10)}
    assert calls(tmp_path) == dict.fromkeys(range(10), 1)
    processes = {process for _, process in found.values()}
    assert (processes == {os.getpid()}) == (workers < 2)
    assert os.environ.get("OMP_NUM_THREADS") == os.environ.get("OMP_NUM_THREADS", None)


def test_nothing_to_do_starts_nothing(tmp_path: Path) -> None:
    assert list(each(Logged(tmp_path), [], 4)) == []


def test_of_a_killed_worker_the_item_alone_is_done_again(tmp_path: Path) -> None:
    found = dict(each(Logged(tmp_path, killed=(2, 5)), list(range(8)), 2))
    assert {place: value for place, (value, _) in found.items()} == {place: place**2 for place in range(8)}
    assert calls(tmp_path) == {**dict.fromkeys(range(8), 1), 2: 2, 5: 2}


def test_an_item_that_kills_its_workers_ends_the_work_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"2 worker processes died .* at 2 .*-9.*lower TEXTMILL_WORKERS"):
        list(each(Logged(tmp_path, killed=(2,), once=False), list(range(8)), 2))
    assert calls(tmp_path)[2] == 2


def test_an_error_arrives_as_it_was_raised_with_the_workers_trace() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        list(each(refuse, list(range(8)), 2))
    assert "the disk is full (/data/part)" in str(full_disk(caught.value))
    assert "in refuse" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="what went wrong at 0"):
        list(each(raise_unpicklable, [0, 0], 2))


def test_workers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tasks.corpus.pool import each; "
        "from tests.corpus.crew import Sleeping; list(each(Sleeping(Path(sys.argv[1])), [0, 1], 2))"
    )
    stage = subprocess.Popen([sys.executable, "-c", program, tmp_path])
    try:
        wait_for(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
    finally:
        stage.send_signal(signal.SIGKILL)
        stage.wait()
    workers = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    wait_for(lambda: not any(alive(worker) for worker in workers))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 4
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
