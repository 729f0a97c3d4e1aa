"""Arrays that lie in memory as long as they fit a budget, and in files beyond it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Gives out arrays until `budget` bytes are in use; later ones are files in `folder`, gone when it is closed."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=folder, prefix=".scratch-")
        self._left = budget
        self._files = 0
        self.spilled = 0
        """Bytes in files."""

    def array(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A new array of unset values."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.empty(shape, dtype)
        self.spilled += size
        self._files += 1
        path = Path(self._folder.name) / f"{self._files}.bin"
        return np.asarray(np.memmap(path, dtype, mode="w+", shape=shape))

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._folder.cleanup()
