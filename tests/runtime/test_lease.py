"""Leases are tried with real processes; what was held when is read from their own log, not from the lock files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime import lease as leases
from tasks.runtime.errors import RefusedInput
from tasks.runtime.lease import Holder, check_need, check_needs, devices, lease, need_of
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage

HOLD = """
import json, os, sys, time
from tasks.runtime.lease import lease
from tasks.runtime.settings import Settings

need, folder, slots, log, seconds, name, child = sys.argv[1:]
def write(event, **more):
    line = json.dumps({"event": event, "name": name, "need": float(need), "time": time.monotonic(), **more}) + "\\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)

show = lambda holders: write("waits", holders=[holder.node for holder in holders])
with lease(float(need), Settings(leases=folder, slots=slots), node=name, workspace="/w", waiting=show) as grant:
    write("has", devices=[device.name for device in grant.devices])
    if child == "child":
        import subprocess
        sleeper = subprocess.Popen(["sleep", seconds], pass_fds=grant.file_descriptors)
        write("child", pid=sleeper.pid)
        sleeper.wait()
    else:
        time.sleep(float(seconds))
    write("gives")
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    path = tmp_path / "log"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(need, name, seconds=…, slots=…)`: a process that holds a lease for so long."""
    running: list[subprocess.Popen[bytes]] = []

    def run(need: float, name: str, *, seconds: float = 0.3, slots: str = "0,1", child: str = "") -> Any:
        arguments = [str(need), str(tmp_path / "leases"), slots, str(tmp_path / "log"), str(seconds), name, child]
        running.append(subprocess.Popen([sys.executable, "-c", HOLD, *arguments]))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_eight_requests_never_overcommit(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    needs = [1, 2, 0.5, 0.25, 0.25, 0.5, 1, 2]
    processes = [start(need, f"n{index}") for index, need in enumerate(needs)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    busy: dict[str, float] = defaultdict(float)
    had: dict[str, list[str]] = {}
    for event in sorted((e for e in log() if e["event"] in ("has", "gives")), key=lambda e: e["time"]):
        share = min(event["need"], 1)
        if event["event"] == "has":
            had[event["name"]] = event["devices"]
            assert len(event["devices"]) == max(1, event["need"])  # a share never straddles devices
        for device in had[event["name"]]:
            busy[device] += share if event["event"] == "has" else -share
            assert 0 <= busy[device] <= 1, event
    assert len(had) == 8


def test_shares_of_a_device_are_held_together(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    for index, need in enumerate([0.5, 0.25, 0.25]):
        start(need, f"n{index}", seconds=30, slots="0")
    wait_for(lambda: sum(e["event"] == "has" for e in log()) == 3)


def test_first_come_is_first_served(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    start(0.5, "first", seconds=1.5, slots="0")
    wait_for(lambda: [e["name"] for e in log() if e["event"] == "has"] == ["first"])
    order = ["whole", "quarter", "half"]  # a quarter would fit beside the first, but it came after the whole
    for name, need in zip(order, [1, 0.25, 0.5], strict=True):
        start(need, name, seconds=0.2, slots="0")
        wait_for(lambda name=name: any(e["name"] == name and e["event"] == "waits" for e in log()))
    wait_for(lambda: sum(e["event"] == "has" for e in log()) == 4)
    assert [e["name"] for e in log() if e["event"] == "has"] == ["first", *order]
    assert next(e for e in log() if e["name"] == "whole")["holders"] == ["first"]
    assert next(e for e in log() if e["name"] == "quarter")["holders"] == ["whole"]


def test_a_request_for_other_devices_does_not_wait(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    start(1, "first", seconds=30, slots="0")
    wait_for(lambda: any(e["event"] == "has" for e in log()))
    start(1, "second", seconds=30, slots="0")
    wait_for(lambda: any(e["event"] == "waits" for e in log()))
    start(1, "other", seconds=30, slots="1")
    wait_for(lambda: any(e["event"] == "has" and e["name"] == "other" for e in log()))


def test_a_killed_holder_frees_at_once(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    holder = start(1, "holder", seconds=60, slots="0")
    wait_for(lambda: any(e["event"] == "has" for e in log()))
    start(1, "next", slots="0")
    wait_for(lambda: any(e["event"] == "waits" for e in log()))
    holder.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    wait_for(lambda: any(e["event"] == "has" and e["name"] == "next" for e in log()))
    assert next(e["time"] for e in log() if e["event"] == "has" and e["name"] == "next") - killed < 1


def test_a_device_stays_leased_while_the_child_lives(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    holder = start(1, "holder", seconds=60, slots="0", child="child")
    wait_for(lambda: any(e["event"] == "child" for e in log()))
    child = next(e["pid"] for e in log() if e["event"] == "child")
    try:
        holder.kill()
        holder.wait()
        start(1, "next", slots="0")
        wait_for(lambda: any(e["event"] == "waits" for e in log()))
        time.sleep(0.5)
        assert not any(e["event"] == "has" and e["name"] == "next" for e in log())
    finally:
        os.kill(child, signal.SIGKILL)
    wait_for(lambda: any(e["event"] == "has" and e["name"] == "next" for e in log()))


def test_a_dead_waiter_is_skipped(start: Start, log: Callable[[], list[dict[str, Any]]]) -> None:
    start(1, "holder", seconds=1.5, slots="0")
    wait_for(lambda: any(e["event"] == "has" for e in log()))
    dead = start(1, "dead", slots="0")
    wait_for(lambda: any(e["event"] == "waits" and e["name"] == "dead" for e in log()))
    start(1, "next", slots="0")
    wait_for(lambda: any(e["event"] == "waits" and e["name"] == "next" for e in log()))
    dead.kill()
    wait_for(lambda: any(e["event"] == "has" and e["name"] == "next" for e in log()))
    assert not any(e["event"] == "has" and e["name"] == "dead" for e in log())


def test_what_it_waits_for_is_told(tmp_path: Path) -> None:
    settings = Settings(leases=str(tmp_path), slots="0")
    seen: list[tuple[Holder, ...]] = []

    class Enough(Exception):
        pass

    def show(holders: tuple[Holder, ...]) -> None:
        seen.append(holders)
        raise Enough

    with lease(0.5, settings, node="pretrain", workspace="/some/where"):
        with pytest.raises(Enough), lease(1, settings, node="finetune.base", waiting=show):
            raise AssertionError("a held device was granted")
        assert str(seen[0][0]) == f"pretrain (process {os.getpid()}, /some/where)"
        with lease(0.5, settings):  # the one who gave up left no ticket behind
            pass
    with lease(1, settings):
        pass


def test_a_ticket_may_go_while_the_queue_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(leases=str(tmp_path), slots="0")
    with lease(1, settings):  # makes the folders
        pass
    gone = tmp_path / "queue" / f"{1:012d}"
    gone.touch()
    opened = leases._open_locked

    def opened_and_removed(path: Path) -> int | None:
        descriptor = opened(path)
        if path == gone:
            path.unlink(missing_ok=True)
        return descriptor

    monkeypatch.setattr(leases, "_open_locked", opened_and_removed)
    with lease(1, settings) as grant:
        assert [device.name for device in grant.devices] == ["0"]


def test_own_ticket_is_removed_under_the_mutex(tmp_path: Path) -> None:
    settings = Settings(leases=str(tmp_path), slots="0")
    told, leave = threading.Event(), threading.Event()

    class Enough(Exception):
        pass

    def show(_: tuple[Holder, ...]) -> None:
        told.set()
        leave.wait()
        raise Enough

    def wait() -> None:
        with pytest.raises(Enough), lease(1, settings, waiting=show):
            raise AssertionError("a held device was granted")

    with lease(1, settings):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert told.wait(10)
        with leases._Folder(tmp_path).mutex():
            leave.set()
            time.sleep(0.2)
            assert len(list((tmp_path / "queue").iterdir())) == 1
        waiter.join(10)
    assert not waiter.is_alive()
    assert not list((tmp_path / "queue").iterdir())


def test_no_need_no_device(tmp_path: Path) -> None:
    with lease(0, Settings(leases=str(tmp_path / "never"), slots="0")) as grant:
        assert grant.devices == grant.file_descriptors == ()
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("need", "reason"),
    [(3, "needs 3 devices, but there are 2"), (0.3, "expected 0, 0.25"), (1.5, "expected 0, 0.25"), (-1, "expected 0")],
)
def test_impossible_needs_are_refused(need: float, reason: str) -> None:
    with pytest.raises(RefusedInput, match=reason):
        check_need("pretrain", need, Settings(slots="0,1"))


def make_stage(name: str, gpus: float) -> Stage[Any, Any]:
    return Stage(name=name, version=1, gpus=gpus, function=lambda _: None)


def test_settings_override_needs() -> None:
    settings = Settings(slots="0", needs="pretrain=0.5, distill=1")
    assert need_of(make_stage("pretrain", 4), settings) == 0.5
    assert need_of(make_stage("finetune", 1), settings) == 1
    check_needs([make_stage("pretrain", 4), make_stage("distill", 2)], settings)
    with pytest.raises(RefusedInput, match="'distill', which is no stage: expected one of pretrain"):
        check_needs([make_stage("pretrain", 4)], settings)


@pytest.mark.parametrize("needs", ["pretrain", "pretrain=", "pretrain=many", "=1", "pretrain=-1"])
def test_unreadable_needs_are_refused(needs: str) -> None:
    with pytest.raises(RefusedInput, match="is not a need"):
        need_of(make_stage("pretrain", 1), Settings(needs=needs))


@pytest.mark.parametrize("slots", ["0,0", "a b", "0,", "../x"])
def test_unreadable_slots_are_refused(slots: str) -> None:
    with pytest.raises(RefusedInput, match="TEXTMILL_SLOTS"):
        devices(Settings(slots=slots))


def test_devices_of_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there: tuple[str, ...] = ()
    monkeypatch.setattr(leases, "_gpus", lambda _: there)
    assert [device.name for device in devices(Settings())] == ["cpu"]
    there = ("GPU-aa", "GPU-bb")
    assert [device.cuda for device in devices(Settings())] == ["GPU-aa", "GPU-bb"]
    assert [device.name for device in devices(Settings(device="cpu"))] == ["cpu"]
    assert [device.cuda for device in devices(Settings(slots="1"))] == ["GPU-bb"]
    with lease(1, Settings(leases=str(tmp_path), slots="1")) as grant:
        assert grant.environment == {"CUDA_VISIBLE_DEVICES": "GPU-bb"}
    with lease(0, Settings(leases=str(tmp_path))) as grant:
        assert grant.environment == {"CUDA_VISIBLE_DEVICES": ""}
