"""A batch of texts as the measures see it.

A *word* is delimited by white space, as in Gopher (Rae et al. 2021). A *line* is what stands between line feeds and is
not blank, without the white space around it. A *paragraph* is delimited by blank lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.dedup.shingles import Runs, runs, whitespace_classes
from tasks.dedup.words import Offsets

Columns = Mapping[str, NDArray[np.generic]]
"""What a measure yields: by column name one value per text, (N,)."""


@dataclass(frozen=True)
class Batch:
    texts: Sequence[str]

    @cached_property
    def codes(self) -> NDArray[np.uint32]:
        """Code points of all texts, joined by line feeds. (P,)"""
        return np.frombuffer("\n".join(self.texts).encode("utf-32-le"), dtype=np.uint32)

    @cached_property
    def borders(self) -> Offsets:
        """Where each text begins in `codes`; (N + 1,), a line feed before each but the first."""
        return np.cumsum([0, *(len(text) + 1 for text in self.texts)])

    @cached_property
    def characters(self) -> Offsets:
        return np.diff(self.borders) - 1

    @cached_property
    def words(self) -> Runs:
        return runs(self.texts, whitespace_classes())

    @cached_property
    def lines(self) -> list[list[str]]:
        return [[line for raw in text.split("\n") if (line := raw.strip())] for text in self.texts]

    def count(self, flags: NDArray[np.bool_]) -> Offsets:
        """How many of the flagged code points (P,) each text has. (N,)"""
        prefix = np.concatenate(([0], np.cumsum(flags)))
        counts: Offsets = prefix[self.borders[1:] - 1] - prefix[self.borders[:-1]]
        return counts


def share(part: NDArray[np.generic], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    """part / whole, and 0 where there is no whole. (N,)"""
    fraction: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) != 0)
    return fraction
