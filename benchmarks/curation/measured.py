"""Run a command in a process tree of its own: CPU seconds, wall seconds, peak resident memory.

CPU is that of every process of the tree, polled until it ended, since `getrusage` of the parent misses children that
nobody waits for (those of a fork server, for one); where the kernel's own sum over waited-for children is larger, as
with many short processes, that sum is taken. Peak memory is the largest sum of resident sets seen at once: pages that
processes share count in each, so several processes look larger than they are.

`compare` runs several *sides*, each a command that reads a folder of documents and writes into another. Start-up is
measured apart, on a corpus of one document: *cold* with caches of compiled code empty, *warm* after that. The rounds
over the whole corpus are interleaved, so that what else the machine does falls on all sides alike.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from statistics import median

import psutil

POLL = 0.1  # seconds; a process may spend so much unseen before it ends
DROWNS = 0.1  # of the start-up: less work than that is not told from its noise
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Command:
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    cpu: float
    """Seconds of all processes, user and system."""
    wall: float
    """Seconds."""
    peak: int
    """Bytes."""


def measured(command: Command, log: Path) -> Measured:
    """Run to the end; what it prints goes to `log`.

    Raises:
        SystemExit: it failed; the end of the log is shown.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **command.environment}
    spent: dict[tuple[int, float], float] = {}  # by process and when it began, since numbers are used again
    peak = 0
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        began = time.perf_counter()
        child = subprocess.Popen(command.argv, env=environment, stdout=output, stderr=output, start_new_session=True)
        root = psutil.Process(child.pid)
        seen = {root}
        status = 0
        while True:
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            seen |= _children(root)
            peak = max(peak, sum(_look(process, spent) for process in seen))
            time.sleep(POLL)
        wall = time.perf_counter() - began
    code = child.returncode = os.waitstatus_to_exitcode(status)
    if code:
        tail = log.read_text("utf-8", "replace").splitlines()[-25:]
        raise SystemExit("\n".join([f"{' '.join(command.argv)} ended with {code}:", *tail]))
    # Not `usage.ru_maxrss`: it begins with what this process had when it forked.
    return Measured(max(sum(spent.values()), usage.ru_utime + usage.ru_stime), wall, peak)


def _children(root: psutil.Process) -> set[psutil.Process]:
    try:
        return set(root.children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _look(process: psutil.Process, spent: dict[tuple[int, float], float]) -> int:
    """Note the CPU time of one process; return its resident bytes, 0 if it is gone."""
    try:
        with process.oneshot():
            times, resident = process.cpu_times(), process.memory_info().rss
            spent[process.pid, process.create_time()] = times.user + times.system
    except psutil.NoSuchProcess:
        return 0
    return int(resident)


@dataclass
class Runs:
    """What a side took: to start (on one document, in each round), and for the whole corpus in each round."""

    cold: Measured
    warm: list[Measured] = field(default_factory=list)
    rounds: list[Measured] = field(default_factory=list)

    @property
    def start(self) -> float:
        """CPU seconds of a warm start."""
        return median(run.cpu for run in self.warm)

    @property
    def cpu(self) -> list[float]:
        """CPU seconds of the work alone, per round: start-up taken off; not a number where it drowns in that."""
        work = [run.cpu - self.start for run in self.rounds]
        return [seconds if seconds > DROWNS * self.start else float("nan") for seconds in work]

    @property
    def wall(self) -> list[float]:
        """Seconds of the work alone, per round."""
        start = median(run.wall for run in self.warm)
        return [run.wall - start if run.wall > (1 + DROWNS) * start else float("nan") for run in self.rounds]

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.rounds)


Side = Callable[[Path, Path], Command]
"""From a folder of documents and a folder to write into (empty) to a command."""


def compare(
    sides: Mapping[str, Side], documents: Path, one: Path, folder: Path, rounds: int, once: Sequence[str] = ()
) -> dict[str, Runs]:
    """Measure sides on `documents`; `one` holds a single document. What they write in the last round stays in
    `folder/NAME/out`. Sides of `once` are so slow that they take part in the first round alone."""

    def run(name: str, of: Path, what: str, cache: Path) -> Measured:
        out = folder / name / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        command = sides[name](of, out)
        environment = {"NUMBA_CACHE_DIR": str(cache), **command.environment}
        found = measured(Command(command.argv, environment), folder / name / f"{what}.log")
        print(f"{name}, {what}: {found.cpu:.1f} CPU-s, {found.wall:.1f} s, {found.peak >> 20} MB", flush=True)
        return found

    caches = {name: folder / name / "compiled" for name in sides}
    result = {}
    for name, cache in caches.items():
        shutil.rmtree(cache, ignore_errors=True)
        result[name] = Runs(run(name, one, "cold", cache))
    for number in range(1, rounds + 1):
        for name, cache in caches.items():
            if name in once and number > 1:
                continue
            result[name].warm.append(run(name, one, f"start {number}", cache))
            result[name].rounds.append(run(name, documents, f"round {number}", cache))
    return result


def product(part: str, environment: Mapping[str, str] | None = None) -> Side:
    """Our side: a part of `benchmarks.curation.product`, in this environment."""
    return side([sys.executable, "-m", "benchmarks.curation.product", part], environment=environment)


def side(start: Sequence[str], more: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Side:
    """A command that takes `--documents` and `--out`."""

    def command(documents: Path, out: Path) -> Command:
        return Command([*start, "--documents", str(documents), "--out", str(out), *more], environment or {})

    return command


# --- how it is told ---


def ratios(runs: Mapping[str, Runs], ours: str, name: str) -> list[float]:
    """CPU time of a side over ours, round by round; a side that took part in the first alone has one."""
    return [theirs / own for theirs, own in zip(runs[name].cpu, runs[ours].cpu, strict=False)]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range."""
    if any(map(isnan, values)):
        return "too little text to say"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def speed_table(runs: Mapping[str, Runs], ours: str, megabytes: float) -> str:
    """Markdown: rates and ratios, start-up beside them."""
    lines = [
        "| | MB per CPU-s | CPU-s per GB | CPU, times ours | wall s | peak MB | start-up CPU-s, cold / warm |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in runs.items():
        rate = [megabytes / seconds for seconds in found.cpu]
        cost = [1000 * seconds / megabytes for seconds in found.cpu]
        lines.append(
            f"| {name} | {spread(rate, 2)} | {spread(cost, 0)} | {spread(ratios(runs, ours, name))} | "
            f"{spread([run.wall for run in found.rounds])} | {found.peak >> 20} | "
            f"{found.cold.cpu:.1f} / {found.start:.1f} |"
        )
    return "\n".join(lines)


def where() -> str:
    """The machine, its load and the date."""
    model = platform.processor() or "?"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores of {model}, load {load:.1f} at the end"
