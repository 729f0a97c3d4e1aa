"""The funnel: documents and bytes by step, and what stops a selection that takes too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.curation.ledger import Ledger
from tasks.curation.losses import complaint, losses
from tasks.runtime.errors import StageFailed


@dataclass
class Funnel:
    """Documents and bytes by step, and what a step takes too much of."""

    ledger: Ledger
    sizes: NDArray[np.int64]
    """(N,) UTF-8 bytes of each document."""
    sources: NDArray[np.int64]
    """(N,) index into `names`."""
    names: list[str]
    accepted: tuple[str, ...] = ()
    """Steps that may take what they take."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    losses: dict[str, list[str]] = field(default_factory=dict)
    """By step that is not accepted."""

    def add(self, step: str, dropped: NDArray[np.bool_], cut: NDArray[np.int64] | int = 0, **more: Any) -> None:
        """`cut`: (N,) bytes that the step cuts out of documents that stay."""
        size = int(self.sizes[dropped].sum() + np.sum(cut))
        self.steps.append({"step": step, "documents": int(dropped.sum()), "bytes": size, **more})
        found = losses(step, dropped, self.sizes, self.sources, self.names, cut)
        if found and step not in self.accepted:
            self.losses[step] = found

    def check(self) -> None:
        """
        Raises:
            StageFailed: a step takes more than is accepted.
        """
        if self.losses:
            raise StageFailed(complaint([phrase for found in self.losses.values() for phrase in found], self.losses))
