"""What an edit gives back, and how bytes are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tasks.corpus.redaction.pattern import Redacted


@dataclass(frozen=True)
class Edited:
    """A text after an edit. `cut` and `inserted` are UTF-8 bytes: length before − cut + inserted = length after."""

    text: str
    cut: int = 0
    inserted: int = 0
    reason: str = ""
    """What was done; empty when nothing was."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many of each kind were replaced, by edits that tell."""

    @staticmethod
    def between(before: str, after: str, reason: str) -> Edited:
        """Count by byte value: what `before` has more of was cut, what `after` has more of was inserted."""
        if before == after:
            return Edited(before)
        surplus = _histogram(before) - _histogram(after)
        return Edited(after, int(surplus[surplus > 0].sum()), int(-surplus[surplus < 0].sum()), reason)

    @staticmethod
    def redacted(result: Redacted) -> Edited:
        """Each replaced stretch was cut, each placeholder inserted."""
        told = ", ".join(f"{count} {kind}" for kind, count in result.counts.items())
        return Edited(result.text, result.cut, result.inserted, told and f"replaced: {told}", result.counts)


def _histogram(text: str) -> np.ndarray:
    return np.bincount(np.frombuffer(text.encode(), np.uint8), minlength=256)  # (256,)
