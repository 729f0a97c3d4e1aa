"""Names of processes that hold beyond their end (a process id alone is used again), who runs them, how they import."""

from __future__ import annotations

import gc
import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def this_process() -> str:
    """Host, id and start of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{start_time(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process of this host, as `this_process` named it, has ended. Others are left alone."""
    host, _, rest = process.partition(":")
    pid, _, started = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and start_time(int(pid)) != started


def this_user() -> str:
    """The login name of who runs this process, or `uid N`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that no passwd file knows
        return f"uid {os.getuid()}"


def start_time(pid: int) -> str:
    """When a process started, as the kernel counts it, and the boot it counts from; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{fields[19]}@{boot}"  # a zombie has ended


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import big libraries within: the collector does not search what they make, now or later (half their time)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
