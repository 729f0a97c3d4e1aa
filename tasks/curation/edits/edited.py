"""What an edit gives back, and how bytes are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edited:
    """A text after an edit. `cut` and `inserted` are UTF-8 bytes: length before − cut + inserted = length after."""

    text: str
    cut: int = 0
    inserted: int = 0
    reason: str = ""
    """What was done; empty when nothing was."""

    @staticmethod
    def between(before: str, after: str, reason: str) -> Edited:
        """Count by byte value: what `before` has more of was cut, what `after` has more of was inserted."""
        if before == after:
            return Edited(before)
        surplus = _histogram(before) - _histogram(after)
        return Edited(after, int(surplus[surplus > 0].sum()), int(-surplus[surplus < 0].sum()), reason)


def _histogram(text: str) -> np.ndarray:
    return np.bincount(np.frombuffer(text.encode(), np.uint8), minlength=256)  # (256,)
