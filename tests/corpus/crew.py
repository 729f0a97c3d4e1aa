"""Functions for workers: spawned processes import them by name."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tasks.corpus.partitions import Figures, Partition


@dataclass(frozen=True)
class Logged:
    """Notes each call in `log`; the items named are killed, for ever or once."""

    log: Path
    killed: tuple[int, ...] = ()
    once: bool = True

    def __call__(self, item: int) -> tuple[int, int]:
        first = not (self.log / str(item)).exists()
        with (self.log / str(item)).open("a") as file:
            file.write(f"{os.getpid()}\n")
        if item in self.killed and (first or not self.once):
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item, os.getpid()


def refuse(item: int) -> int:
    if item == 3:
        raise OSError(28, "No space left on device", "/data/part")
    time.sleep(0.01)
    return item


class Unpicklable(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def raise_unpicklable(item: int) -> int:
    raise Unpicklable("what went ", f"wrong at {item}")


@dataclass(frozen=True)
class Sized:
    """Writes sizes of texts and notes each call; it can fail at a partition, be killed at one once, or fill disks."""

    log: Path
    fail_at: int = -1
    kill_at: int = -1
    ballast: int = 0
    """Bytes that each partition takes on disk beside its sizes."""

    def __call__(self, partition: Partition, folder: Path) -> Figures:
        noted = self.log / f"{partition.shard.name}-{partition.first}"
        first = not noted.exists()
        with noted.open("a") as file:
            file.write("x")
        if partition.first == self.fail_at:
            raise RuntimeError("stopped")
        (folder / "ballast").write_bytes(bytes(self.ballast))
        if partition.first == self.kill_at and partition.shard.name.startswith("documents-00001") and first:
            os.kill(os.getpid(), signal.SIGKILL)
        sizes = [len(text.as_py().encode()) for batch in partition.batches() for text in batch["text"]]
        (folder / "sizes.json").write_text(json.dumps(sizes))
        return {"rows": len(sizes)}


@dataclass(frozen=True)
class Sleeping:
    """Tells its process, and works for a minute."""

    log: Path

    def __call__(self, item: int) -> int:
        (self.log / f"pid-{os.getpid()}").touch()
        time.sleep(60)
        return item
