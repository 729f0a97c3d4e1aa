"""A run is under way as long as its process lives, whatever its record says."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.runtime.runs import is_under_way, last_nodes, new_run, records, under_way
from tasks.runtime.workspace import LockHeld, Workspace, file_lock, refuse_to_wait

PROGRAM = """
import sys, time
from pathlib import Path
from tasks.runtime.runs import new_run, under_way
from tasks.runtime.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
with under_way(workspace, new_run(workspace, Path("textmill.yaml"), ())):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_run_is_under_way_until_it_ends(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    record = new_run(workspace, tmp_path / "textmill.yaml", ())
    record.plan = {"clean": "f"}
    assert not is_under_way(workspace, record)
    with under_way(workspace, record):
        (saved,) = records(workspace)
        assert saved.plan == {"clean": "f"}
        assert is_under_way(workspace, saved)
    assert not is_under_way(workspace, record)
    assert records(workspace)[0].status == "running"  # who ran it would have said how it ended


def test_a_killed_run_is_not_under_way(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        (record,) = records(workspace)
        assert is_under_way(workspace, record)
        process.kill()
        process.wait()
    assert not is_under_way(workspace, record)


def test_no_run_begins_while_artifacts_are_set_aside(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with (
        file_lock(workspace.deleting),
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE) as process,
    ):
        try:
            while not list(workspace.runs.glob("*/.lock")):
                time.sleep(0.01)
            time.sleep(0.2)
            assert process.poll() is None
            assert records(workspace) == []
        finally:
            process.kill()


def test_who_does_not_want_to_wait_is_told_who_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with file_lock(path), pytest.raises(LockHeld, match=r"process \d+"), file_lock(path, refuse_to_wait):
        pass


def test_records_are_the_newest_first(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for _ in range(3):
        new_run(workspace, tmp_path / "textmill.yaml", ()).save(workspace)
    assert [record.id for record in records(workspace, limit=2)] == [record.id for record in records(workspace)][:2]
    assert last_nodes(workspace) == {}


def test_ids_go_on_although_the_clock_was_set_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("20990101T000000Z", "20990101T000000Z-1", "notes"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    ids = [new_run(workspace, tmp_path / "textmill.yaml", ()).id for _ in range(12)]
    assert ids == sorted(ids)
    assert ids[0] == "20990101T000001Z"
