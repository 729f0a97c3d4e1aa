"""Disks that cannot be written, or are full. Root ignores modes, so that these need mounts of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.workspace import Textmill, clone, ran

pytestmark = [pytest.mark.needs_root, pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"this machine lets nobody mount: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def test_a_read_only_workspace_is_refused(plain: Textmill, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64m") as disk:
        textmill = clone(plain, disk / "workspace")
        remount(disk, "ro")
        for command in (("run", "--json"), ("server", "start"), ("rollback", "tiny")):
            where = ["--workspace", str(textmill.root)] if command[0] != "run" else []
            said = textmill(*command, *where, code=2).err
            assert str(textmill.root) in said
            assert "cannot be written (Read-only file system)" in said
            assert "make the folder writable" in said
        textmill("validate")
        assert set(textmill.plan().values()) == {("run", "never run")}


@pytest.mark.timeout(300)  # Prefect's client asks a server whose database has no room again for half a minute
def test_a_full_disk_ends_a_run_which_goes_on_when_there_is_room(plain: Textmill, tmp_path: Path) -> None:
    """All that a run writes to is on that disk: artifacts, the databases of Prefect and MLflow, logs."""
    with mounted(tmp_path / "disk", "size=60m") as disk:
        textmill = clone(plain, disk / "workspace")
        try:
            textmill("server", "start", "--workspace", ".")
            assert ran(textmill.run("--until", "measure"))[-1] == "measure"
            for leave in (0, 100_000, 1_000_000):
                with filled(disk, leave):
                    done = textmill("run", "--json", "--until", "pack", code=None)
                if done.code == 0:
                    break
                assert done.code == 1, done.said
                assert "the disk is full" in done.err
                assert "run again" in done.err
            assert leave, "not even a full disk ended it"
            assert ran(textmill.run("--until", "pack"))[-1:] in (["pack"], [])
            assert {action for action, _ in list(textmill.plan().values())[:8]} == {"reuse"}
        finally:
            textmill("server", "stop")


@contextmanager
def filled(disk: Path, leave: int) -> Iterator[None]:
    """All but `leave` bytes of the disk are taken, within."""
    free = os.statvfs(disk)
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave)
    try:
        yield
    finally:
        ballast.unlink()
