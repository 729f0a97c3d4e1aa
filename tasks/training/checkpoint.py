"""Checkpoints that survive a kill: a torn one is never taken for a whole one.

A checkpoint is one safetensors file whose name holds its step and the head of its own SHA-256:
`step-00000120-9f86d081884c7d65.safetensors`. It is written beside its name, flushed to the disk and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

KEPT = 2
_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{16})\.safetensors")


@dataclass(frozen=True)
class Saved:
    step: int
    """Steps that were done when it was written."""
    tensors: dict[str, Tensor]
    notes: dict[str, Any]
    """What is no tensor, as JSON types."""


def save(folder: Path, step: int, tensors: dict[str, Tensor], notes: dict[str, Any]) -> Path:
    """Write a checkpoint of `tensors` (no two sharing memory) and drop all but the newest two."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "partial"
    flat = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(flat, partial, metadata={"notes": json.dumps(notes)})
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    path = folder / f"step-{step:08d}-{digest[:16]}.safetensors"
    partial.rename(path)
    _flush_folder(folder)
    for old in _named(folder)[:-KEPT]:
        old.unlink()
    return path


def newest(folder: Path) -> Saved | None:
    """The newest whole checkpoint under `folder`, or None. Torn ones are passed over."""
    for path in reversed(_named(folder)):
        match = _NAME.fullmatch(path.name)
        assert match is not None, "only named checkpoints are listed"
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest()[:16] != match[2]:
                continue
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            notes = json.loads(file.metadata()["notes"])
        return Saved(step=int(match[1]), tensors=tensors, notes=notes)
    return None


def _named(folder: Path) -> list[Path]:
    """Files named like checkpoints, by step."""
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
