"""Where things lie on disk. A workspace is the folder of the config file; all state is in it, and it may be moved."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import sha256_of
from tasks.runtime.errors import RefusedInput


@dataclass(frozen=True)
class Workspace:
    """`artifacts/NODE/FINGERPRINT/` is the truth; `runs/`, Prefect's records and MLflow are views of it."""

    root: Path

    @staticmethod
    def of_config(config: Path) -> Workspace:
        return Workspace(config.resolve().parent)

    def artifact(self, node: str, fingerprint: str) -> Path:
        return self.artifacts / node / fingerprint

    def work(self, node: str, fingerprint: str) -> Path:
        return self.root / "work" / node / fingerprint

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def report(self, run: str) -> Path:
        """The page about a run."""
        return self.runs / run / "report.html"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    @property
    def cache(self) -> Path:
        return self.root / ".cache"

    @property
    def deleting(self) -> Path:
        """The lock of who deletes artifacts, held for moments."""
        return self.root / ".deleting.lock"

    @property
    def promoting(self) -> Path:
        """The lock of who registers models or moves their aliases."""
        return self.root / ".promotion.lock"

    @property
    def prefect_home(self) -> Path:
        return self.root / ".prefect"

    def check_writable(self) -> None:
        """Raise `RefusedInput` unless files can be made here."""
        probe = self.root / f".textmill-{os.getpid()}"
        try:
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise RefusedInput(
                f"workspace {self.root}: cannot be written ({error.strerror}). Textmill keeps all its state beside the "
                "config file: make the folder writable, or copy the config to one that is."
            ) from None

    def sweep(self) -> None:
        """Delete what processes that are dead now had begun to delete (`remove_tree`)."""
        for doomed in self.doomed():
            shutil.rmtree(doomed, ignore_errors=True)

    def doomed(self) -> list[Path]:
        """Folders that processes which are dead now had begun to delete."""
        found = []
        for pattern in (".doomed-*", "*/.doomed-*", "artifacts/*/.doomed-*", "work/*/.doomed-*", "work/*/*/.doomed-*"):
            for path in self.root.glob(pattern):
                pid = path.name.split("-")[-2]
                if pid.isdigit() and not Path("/proc", pid).exists():
                    found.append(path)
        return found

    def environment(self) -> dict[str, str]:
        """Variables under which libraries keep their caches in the workspace and call no host."""
        return {
            "HF_HOME": str(self.cache / "huggingface"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "MPLCONFIGDIR": str(self.cache / "matplotlib"),
            "NUMBA_CACHE_DIR": str(self.cache / "numba"),
            "XDG_CACHE_HOME": str(self.cache),
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_WAIT_POLICY": "PASSIVE",
            "DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "ORT_DISABLE_TELEMETRY": "true",
        }


class DigestMemory:
    """SHA-256 of files, remembered with size, mtime, ctime and inode, and computed again when one of them differs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[Any]] = _read_json(file)
        self._new: dict[str, list[Any]] = {}

    def sha256(self, path: Path, *, afresh: bool = False) -> tuple[str, int]:
        """Return (hex digest, size in bytes). A file touched within the last two seconds is never trusted later:
        a change in the same clock tick would leave no trace in its times."""
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        key = str(path)
        known = self._new.get(key) or self._known.get(key)
        if known and known[:4] == stamp and not afresh:
            return known[4], stat.st_size
        digest = sha256_of(path)
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > 2_000_000_000:
            self._new[key] = [*stamp, digest]
        return digest, stat.st_size

    def save(self) -> None:
        """Write what is new; entries that another process wrote meanwhile are kept, files that are gone forgotten."""
        if not self._new:
            return
        merged = {**_read_json(self._file), **self._new}
        text = json.dumps({key: value for key, value in merged.items() if Path(key).exists()}, separators=(",", ":"))
        with contextlib.suppress(OSError):  # a memory that cannot be kept costs time, not truth
            write_atomically(self._file, text)
            self._known, self._new = merged, {}


def write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def file_lock(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a kernel lock on `path` (it dies with the process). `waiting` is told once who holds it; it may raise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            if waiting:
                waiting(file.read().strip() or "another process")
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # who holds it is told where there is room to write it
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()}".encode())
        try:
            yield
        finally:
            os.ftruncate(file.fileno(), 0)


class LockHeld(Exception):
    """By another process; the message says by which."""


def refuse_to_wait(holder: str) -> None:
    """`file_lock(path, refuse_to_wait)` raises `LockHeld` where it would wait."""
    raise LockHeld(holder)


def remove_tree(path: Path) -> None:
    """Delete a folder such that a kill in between leaves no half of it under its own name."""
    if (doomed := set_aside(path)) is not None:
        shutil.rmtree(doomed, ignore_errors=True)


def set_aside(path: Path) -> Path | None:
    """Rename a folder to a name that `Workspace.sweep` deletes; None if there is none."""
    if not path.exists():
        return None
    return path.rename(path.with_name(f".doomed-{path.name}-{os.getpid()}-{time.monotonic_ns()}"))


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
