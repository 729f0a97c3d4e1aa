"""What a person sees while a road runs: a bar for the node at work, one line for each that is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from flows.figures import main_figure
from tasks.runtime.units import count, duration
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from tasks.runtime.artifact import Artifact
    from tasks.runtime.runs import NodeRecord

PLAIN_PROGRESS_SECONDS = 30.0


class Terminal:
    """An `Observer`. On a terminal it draws a bar; into a pipe it writes plain lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich.console import Console

        stream = stream or sys.stdout
        self._console: Console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._rate = _Rate()
        self._told = 0.0
        self.artifacts: dict[str, Artifact] = {}
        self.records: dict[str, NodeRecord] = {}

    def line(self, text: str) -> None:
        self._console.print(visible(text))

    def started(self, node: str, reason: str) -> None:  # noqa: ARG002  # the plan tells reasons
        self._rate = _Rate()
        self._told = time.monotonic()
        if self._console.is_terminal:
            self._start_bar(node)

    def progress(self, node: str, done: float, total: float, unit: str, note: str) -> None:
        rate = self._rate.update(done)
        left = duration((total - done) / rate) + " left" if rate and done < total else ""
        speed = f"{count(rate)} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
        told = "/s" in note  # the stage states a rate of its own
        words = ", ".join(word for word in (note, speed if rate and unit and not told else "", left) if word)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, words=words)
        elif time.monotonic() - self._told > PLAIN_PROGRESS_SECONDS:
            self._told = time.monotonic()
            self.line(f" {node:<20} {done / total:4.0%}  {words}" if total else f" {node:<20} {words}")

    def waiting(self, node: str, what: str) -> None:
        self.line(f" {node:<20} waits for {what}")

    def said(self, node: str, line: str) -> None:
        """It is in the node's log already."""

    def missed(self, node: str, what: str) -> None:
        self.line(f" {node:<20} {what}")

    def finished(self, node: str, artifact: Artifact, record: NodeRecord) -> None:
        self._stop_bar()
        self.artifacts[node], self.records[node] = artifact, record
        took = duration(record.seconds) if record.action == "ran" else ""
        differs = "  NOT REPRODUCIBLE: the same recipe gave other bytes" if record.compared == "different" else ""
        self.line(f" {node:<20} {record.action:<7}{took:>10}   {main_figure(artifact)}{differs}".rstrip())

    def failed(self, node: str, message: str) -> None:  # noqa: ARG002  # the command prints it, last
        self._stop_bar()
        self.line(f" {node:<20} failed")

    def close(self) -> None:
        self._stop_bar()

    def _start_bar(self, node: str) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._stop_bar()
        self._bar = Progress(
            TextColumn(" {task.description:<20}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(node, total=None, words="")

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None


class _Rate:
    """Units a second, smoothed over the last few reports."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._points: list[tuple[float, float]] = []

    def update(self, done: float) -> float:
        if self._points and done < self._points[-1][1]:
            self._points = []  # a new phase of the node counts from the beginning
        self._points = [*self._points[-20:], (self._clock(), done)]
        (t0, d0), (t1, d1) = self._points[0], self._points[-1]
        return (d1 - d0) / (t1 - t0) if t1 > t0 else 0.0
