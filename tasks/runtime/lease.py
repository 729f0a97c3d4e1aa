"""Device leases between processes of one machine: kernel file locks in one folder, a file per quarter of a device.

A request takes a ticket; the oldest living ticket is served first, and a request waits only behind tickets that may
want one of its own devices. Locks are `flock`s on open file descriptions: the child process inherits them, so a device
is busy for as long as anything of that process group lives, and free at once when the last of it has died, however it
died. Shares below a device come from one device; more than a share is whole devices.

    with lease(need, settings, node="pretrain", workspace=workspace, waiting=show) as grant:
        subprocess.Popen(command, pass_fds=grant.file_descriptors, env=os.environ | grant.environment)
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tasks.runtime.errors import RefusedInput
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage

SHARES = 4
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Device:
    name: str
    """Names the lock files: the UUID of a GPU, `cpu`, or a declared slot."""
    cuda: str = ""
    """What `CUDA_VISIBLE_DEVICES` calls it; empty where it is no GPU."""


@dataclass(frozen=True)
class Holder:
    """Who holds, or waits before us for, a device."""

    pid: int
    node: str
    workspace: str
    need: float
    devices: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.node or 'a stage'} (process {self.pid}, {self.workspace or 'unknown workspace'})"


@dataclass(frozen=True)
class Grant:
    file_descriptors: tuple[int, ...]
    """For `pass_fds` of the child; empty where nothing was needed."""
    devices: tuple[Device, ...]
    environment: dict[str, str]
    """`CUDA_VISIBLE_DEVICES` on a machine with GPUs (empty text for a stage that needs none), else nothing."""


Waiting = Callable[[tuple[Holder, ...]], None]
"""Called while a request waits, whenever whom it waits for has changed."""


def need_of(stage: Stage[Any, Any], settings: Settings) -> float:
    """The need of a stage in devices: what the stage declares, or what `TEXTMILL_NEEDS` says of it."""
    return _overrides(settings).get(stage.name, stage.gpus)


def check_need(stage: str, need: float, settings: Settings) -> None:
    """Raise `RefusedInput` where this machine can never give `need` devices, or where there is no such share."""
    shares = need * SHARES
    if need < 0 or shares != int(shares) or (need > 1 and need != int(need)):
        raise RefusedInput(
            f"{stage} needs {need:g} devices: expected 0, 0.25, 0.5, 0.75 or a whole number. "
            f"Set TEXTMILL_NEEDS={stage}=1 (or another share)."
        )
    there = devices(settings)
    if need > len(there):
        raise RefusedInput(
            f"{stage} needs {need:g} devices, but there {'is' if len(there) == 1 else 'are'} {len(there)} "
            f"({', '.join(device.name for device in there)}). Set TEXTMILL_NEEDS={stage}={len(there)} or less, "
            f"or declare the devices with TEXTMILL_SLOTS."
        )


def check_needs(stages: Iterable[Stage[Any, Any]], settings: Settings) -> None:
    """Check every stage, and that `TEXTMILL_NEEDS` names stages that exist."""
    known = {stage.name: stage for stage in stages}
    unknown = sorted(set(_overrides(settings)) - set(known))
    if unknown:
        raise RefusedInput(
            f"TEXTMILL_NEEDS names {unknown[0]!r}, which is no stage: expected one of {', '.join(sorted(known))}."
        )
    for name, stage in known.items():
        check_need(name, need_of(stage, settings), settings)


def devices(settings: Settings) -> tuple[Device, ...]:
    """What there is to schedule on: the declared slots, else the GPUs of this machine, else one CPU slot."""
    gpus = _gpus(os.environ.get("CUDA_VISIBLE_DEVICES")) if settings.device != "cpu" else ()
    if not settings.slots:
        return tuple(Device(name=gpu, cuda=gpu) for gpu in gpus) or (Device(name="cpu"),)
    names = [name.strip() for name in settings.slots.split(",")]
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[\w-]+", name) for name in names):
        raise RefusedInput(f"TEXTMILL_SLOTS={settings.slots!r}: expected different names with commas, such as 0,1.")
    return tuple(
        Device(name=gpus[int(name)], cuda=gpus[int(name)])
        if name.isdigit() and int(name) < len(gpus)
        else Device(name=name, cuda=name if name in gpus else "")
        for name in names
    )


@contextmanager
def lease(
    need: float, settings: Settings, *, node: str = "", workspace: str | Path = "", waiting: Waiting | None = None
) -> Iterator[Grant]:
    """Hold `need` devices, waiting for them first come first served.

    A need of 0 gives an empty grant at once. `node` and `workspace` say who asks, to those who wait behind us.
    """
    hides = {"CUDA_VISIBLE_DEVICES": ""} if _gpus(os.environ.get("CUDA_VISIBLE_DEVICES")) else {}
    if need == 0:
        yield Grant(file_descriptors=(), devices=(), environment=hides)
        return
    check_need(node or "the stage", need, settings)
    there = devices(settings)
    us = Holder(os.getpid(), node, str(workspace), need, tuple(device.name for device in there))
    taken = _wait(need, there, us, _Folder.open(settings.lease_folder), waiting)
    held = tuple(device for device in there if device.name in taken)
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(device.cuda for device in held)} if hides else {}
    descriptors = tuple(descriptor for group in taken.values() for descriptor in group)
    try:
        yield Grant(file_descriptors=descriptors, devices=held, environment=visible)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)  # the lock itself goes when the child's copies are closed too


def _wait(
    need: float, there: tuple[Device, ...], us: Holder, folder: _Folder, waiting: Waiting | None
) -> dict[str, list[int]]:
    """Return the locked descriptors by device name."""
    with folder.mutex():
        number, ticket = folder.new_ticket(us)
    told: tuple[Holder, ...] = ()
    try:
        while True:
            with folder.mutex():
                before = folder.tickets_before(number, us.devices)
                taken, holders = ({}, ()) if before else _take(need, there, us, folder)
                if taken:
                    return taken
            if waiting and (before or holders) != told:
                told = before or holders
                waiting(told)
            time.sleep(POLL_SECONDS)
    finally:
        try:
            with folder.mutex():  # nobody looks through the queue meanwhile
                folder.ticket(number).unlink(missing_ok=True)
        finally:
            os.close(ticket)


def _take(
    need: float, there: tuple[Device, ...], us: Holder, folder: _Folder
) -> tuple[dict[str, list[int]], tuple[Holder, ...]]:
    """Lock what is needed, or nothing and say who holds what we lack. Called by the holder of the mutex alone."""
    free: dict[str, list[int]] = {}
    holders: dict[int, Holder] = {}
    for device in there:
        free[device.name] = []
        for share in range(SHARES):
            descriptor = _open_locked(folder.share(device.name, share))
            if descriptor is not None:
                free[device.name].append(descriptor)
            elif holder := _read(folder.share(device.name, share)):
                holders[holder.pid] = holder
    shares, count = (SHARES, int(need)) if need >= 1 else (int(need * SHARES), 1)
    # The fullest device that has room comes first, so that whole devices stay whole.
    fitting = sorted((name for name in free if len(free[name]) >= shares), key=lambda name: len(free[name]))[:count]
    taken = {name: free[name][:shares] for name in fitting} if len(fitting) == count else {}
    for name, descriptors in free.items():
        for descriptor in descriptors:
            if descriptor in taken.get(name, ()):
                _write(descriptor, us)
            else:
                os.close(descriptor)
    return taken, tuple(holders.values())


@dataclass(frozen=True)
class _Folder:
    path: Path

    @staticmethod
    def open(path: Path) -> _Folder:
        try:
            for part in ("shares", "queue"):
                (path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RefusedInput(f"The lease folder cannot be used: {error}. Set TEXTMILL_LEASES to another.") from None
        return _Folder(path)

    def share(self, device: str, share: int) -> Path:
        return self.path / "shares" / f"{device}.{share}"

    def ticket(self, number: int) -> Path:
        return self.path / "queue" / f"{number:012d}"

    @contextmanager
    def mutex(self) -> Iterator[None]:
        descriptor = _open(self.path / "mutex")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # held for moments only; a dead holder's lock is gone
            yield
        finally:
            os.close(descriptor)

    def new_ticket(self, us: Holder) -> tuple[int, int]:
        number = max((int(path.name) for path in (self.path / "queue").iterdir()), default=0) + 1
        descriptor = _open_locked(self.ticket(number))
        assert descriptor is not None, "a new ticket was locked by another process"
        _write(descriptor, us)
        return number, descriptor

    def tickets_before(self, number: int, wanted: tuple[str, ...]) -> tuple[Holder, ...]:
        """The living tickets before `number` that may want a device of ours; dead ones are removed."""
        found = []
        for path in sorted((self.path / "queue").iterdir()):
            if int(path.name) >= number:
                continue
            descriptor = _open_locked(path)
            if descriptor is not None:
                path.unlink(missing_ok=True)
                os.close(descriptor)
            elif (holder := _read(path)) and set(holder.devices) & set(wanted):
                found.append(holder)
        return tuple(found)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _open_locked(path: Path) -> int | None:
    """A descriptor that holds the lock of `path`, or None where another has it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _write(descriptor: int, holder: Holder) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _read(path: Path) -> Holder | None:
    try:
        fields = json.loads(path.read_text())
        return Holder(**fields | {"devices": tuple(fields["devices"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _overrides(settings: Settings) -> dict[str, float]:
    needs: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in settings.needs.split(","))):
        name, _, value = part.partition("=")
        if not re.fullmatch(r"[\w-]+", name) or not re.fullmatch(r"\d+(\.\d+)?", value):
            raise RefusedInput(f"TEXTMILL_NEEDS: {part!r} is not a need: expected stage=share, such as pretrain=0.5.")
        needs[name] = float(value)
    return needs


@cache
def _gpus(visible: str | None) -> tuple[str, ...]:
    """UUIDs of the GPUs of this machine in bus order, of which `visible` (CUDA_VISIBLE_DEVICES) selects some."""
    found = [
        match[1]
        for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        if (match := re.search(r"GPU UUID:\s*(GPU-[0-9a-f-]+)\s", path.read_text()))
    ]
    if not found and shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        found = answer.stdout.split() if answer.returncode == 0 else []
    if visible is None:
        return tuple(found)
    chosen = [found[int(v)] if v.isdigit() and int(v) < len(found) else v for v in visible.split(",")]
    return tuple(uuid for uuid in found if any(v and uuid.startswith(v) for v in chosen))
