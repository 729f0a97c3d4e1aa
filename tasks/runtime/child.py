"""A stage's body runs in a child process of its own; this module is both ends of the pipe.

The child imports neither Prefect nor MLflow and sends events as JSON lines. It dies with its parent
(`PR_SET_PDEATHSIG`), and the parent ends the child's whole process group on any way out.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.runtime.errors import RefusedInput, StageFailed, TextmillError, full_disk
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Job, Stage
from tasks.runtime.visible import visible

EVENTS = "TEXTMILL_EVENTS_FD"
PARENT = "TEXTMILL_PARENT"
PROGRESS_SECONDS = 0.2
GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Finished:
    """What a child process made (the artifact's digest) and used, as the kernel counted it."""

    digest: str
    seconds: float
    cpu_seconds: float
    memory_bytes: int


def run_child(
    job: Job,
    *,
    environment: Mapping[str, str],
    log: Path,
    on_event: Callable[[dict[str, Any]], None],
    inherit: Sequence[int] = (),
    on_start: Callable[[int], None] | None = None,
) -> Finished:
    """Execute `job` in a child process and wait for it.

    Args:
        environment: variables added to this process's own.
        log: file that receives what the child and its libraries print.
        on_event: called here for every event of the child but its last.
        inherit: file descriptors (lease locks) that the child holds until it ends.
        on_start: called with the child's process id.

    Raises:
        RefusedInput, StageFailed: as the stage raised them, or when the child died.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    started = time.monotonic()
    with log.open("ab") as output, os.fdopen(reader, "rb") as events:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tasks.runtime.child"],  # -P: no folder of the user's shadows ours
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, EVENTS: str(writer), PARENT: str(os.getpid())},
                pass_fds=(writer, *inherit),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        last: dict[str, Any] = {}
        try:
            if on_start is not None:
                on_start(process.pid)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(job.model_dump_json().encode())
            for line in events:
                if not line.endswith(b"\n"):
                    break  # it was killed in the middle of a word
                event = json.loads(line)
                if event["event"] in ("done", "failed"):
                    last = event
                    break  # a stray grandchild may hold the pipe open
                on_event(event)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            end_group(process)
            raise
    if not last:
        raise StageFailed(_death(job.node, process.returncode, log))
    if last["event"] == "failed":
        raise (RefusedInput if last["refused"] else StageFailed)(last["message"])
    return Finished(last["digest"], time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a child and everything it started: politely, then for good."""
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def _death(node: str, returncode: int, log: Path) -> str:
    if returncode == -signal.SIGKILL:
        why = "was killed (signal 9), by a person or because memory ran out"
    elif returncode < 0:
        why = f"died of signal {-returncode} ({signal.Signals(-returncode).name})"
    else:
        why = f"ended with exit code {returncode} and no word"
    return f"{node}: its process {why}. What is done is kept; run again to go on. Its output: {log}"


def main() -> int:
    """The child: read a job from standard input, do it, send events."""
    die_with_parent(int(os.environ.pop(PARENT)))
    pipe = os.fdopen(int(os.environ.pop(EVENTS)), "w", encoding="utf-8", buffering=1)
    os.set_inheritable(pipe.fileno(), False)
    job = Job.model_validate_json(sys.stdin.buffer.read())

    def send(event: dict[str, Any]) -> None:
        if event["event"] == "say":
            print(visible(event["message"]), flush=True)  # standard output is the node's log
        pipe.write(json.dumps(event, ensure_ascii=True) + "\n")

    try:
        stage = load_stage(job.stage)
        artifact = stage.execute(job, _throttled(send), Settings.from_environment())
        send({"event": "done", "digest": artifact.digest})
    except TextmillError as error:
        send({"event": "failed", "refused": isinstance(error, RefusedInput), "message": str(error)})
        return error.exit_code
    except Exception as error:
        print(visible(traceback.format_exc()), file=sys.stderr, flush=True)
        send({"event": "failed", "refused": False, "message": _explain(job, error)})
        return 1
    return 0


def load_stage(address: str) -> Stage[Any, Any]:
    module, _, name = address.partition(":")
    stage = getattr(importlib.import_module(module), name)
    assert isinstance(stage, Stage), address
    return stage


def _explain(job: Job, error: Exception) -> str:
    if full := full_disk(error, job.out):
        return f"{job.node}: {full}"
    if isinstance(error, MemoryError):
        return f"{job.node}: memory ran out. Lower TEXTMILL_WORKERS or TEXTMILL_MICRO_BATCH_SIZE and run again."
    return f"{job.node}: {type(error).__name__}: {error}"


def _throttled(send: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Pass on every event but progress that comes too fast; the last step always passes."""
    latest = 0.0

    def emit(event: dict[str, Any]) -> None:
        nonlocal latest
        if event["event"] == "progress":
            now = time.monotonic()
            if now - latest < PROGRESS_SECONDS and event["done"] < event["total"]:
                return
            latest = now
        send(event)

    return emit


def die_with_parent(parent: int) -> None:
    """End this process at once when `parent`, which started it, ends."""
    set_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
    ctypes.CDLL(None, use_errno=True).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


if __name__ == "__main__":
    sys.exit(main())
