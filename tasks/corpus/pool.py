"""A function over many items by local processes. A cluster engine can take the place of `each`: it knows no more.

A worker is a fresh interpreter (spawned: no lock or thread of the parent is copied), computes with one thread, takes
one item at a time and dies with the process that started it. When a worker is killed, its item alone is done again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from tasks.runtime.child import die_with_parent
from tasks.runtime.errors import StageFailed

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 2
"""At an item whose worker is killed: memory that ran out once may be there the next time, a defect stays."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_IO_THREADS")


def each(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[int, R]]:
    """Yield (place, `function(item)`) of every item, as they are ready; with one worker or item in this process.

    Function, items and results are pickled; the function once a worker, so that what it loads serves all items.

    Raises:
        StageFailed: the workers at one item were killed `ATTEMPTS` times.
        Exception: what the function raised, with the worker's trace as a note; the other workers are ended.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        for place, item in enumerate(items):
            yield place, function(item)
        return
    crew = _Crew(function, items)
    try:
        with _one_thread():
            for _ in range(workers):
                crew.hire()
        yield from crew.results()
    finally:
        crew.end()


class _Crew:
    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._function, self._items = function, items
        self._waiting = deque(range(len(items)))
        self._deaths: Counter[int] = Counter()
        self._workers: dict[Connection, tuple[BaseProcess, int]] = {}  # by our end of the pipe: process, its item

    def hire(self) -> None:
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=_work, args=(os.getpid(), theirs, self._function), name="partition worker", daemon=True
        )
        process.start()
        theirs.close()
        self._hand_out(ours, process)

    def results(self) -> Iterator[tuple[int, Any]]:
        while self._workers:
            for pipe in wait(list(self._workers)):
                assert isinstance(pipe, Connection)
                process, place = self._workers.pop(pipe)
                try:
                    succeeded, value = pipe.recv()
                except (EOFError, ConnectionResetError):
                    self._buried(process, place)
                    continue
                if not succeeded:
                    raise value
                self._hand_out(pipe, process)
                yield place, value

    def _hand_out(self, pipe: Connection, process: BaseProcess) -> None:
        if not self._waiting:
            pipe.close()  # it sees the end of its work
            process.join()
            return
        place = self._waiting.popleft()
        self._workers[pipe] = process, place
        with contextlib.suppress(BrokenPipeError):  # it is dead: `results` finds the end of the pipe
            pipe.send(self._items[place])

    def _buried(self, process: BaseProcess, place: int) -> None:
        process.join()
        self._deaths[place] += 1
        if self._deaths[place] >= ATTEMPTS:
            raise StageFailed(
                f"{self._deaths[place]} worker processes died one after the other at {self._items[place]} "
                f"(the last with exit code {process.exitcode}; −9: killed by a person or because memory ran out). "
                "What is done is kept: lower TEXTMILL_WORKERS, or give the machine more memory, and run again."
            )
        self._waiting.appendleft(place)
        with _one_thread():
            self.hire()

    def end(self) -> None:
        for pipe, (process, _) in self._workers.items():
            process.kill()
            process.join()
            pipe.close()


def _work(parent: int, pipe: Connection, function: Callable[[Any], Any]) -> None:
    """A worker's life: item after item, until the pipe is closed."""
    die_with_parent(parent)
    import pyarrow as pa

    pa.set_cpu_count(1)
    with contextlib.suppress(EOFError):
        while True:
            item = pipe.recv()
            try:
                answer = True, function(item)
            except Exception as error:  # every one of them is raised again where it can be told
                error.add_note(f"in a worker process:\n{traceback.format_exc()}")
                answer = False, error
            pipe.send_bytes(_pickled(answer))


def _pickled(answer: tuple[bool, Any]) -> bytes:
    try:
        data = pickle.dumps(answer)
        pickle.loads(data)  # an exception with arguments of its own is pickled without a word, and cannot be read
    except Exception as error:
        text = traceback.format_exception(answer[1] if isinstance(answer[1], Exception) else error)
        return pickle.dumps((False, RuntimeError("".join(text))))
    return data


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started within compute with one thread each, as their libraries read it when they load."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
