"""The guard over edits: what each takes of the documents and bytes that come to it, in all and of each source."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_config.clean import Edit
from tasks.corpus.guarded import FEW, MOST, MOST_OF_A_SOURCE
from tasks.curation.losses import bounds_told

MARKUP = frozenset(["html"])
"""Of their bytes nothing is said: most of a page is markup. What they empty counts."""


class EditLosses:
    """Adds up documents and bytes by source, partition by partition."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._came: dict[str, NDArray[np.int64]] = {}
        """By source (2,): documents and bytes before the edits."""
        self._taken: dict[str, NDArray[np.int64]] = {}
        """By source (edits, 2): documents emptied, and bytes cut less bytes inserted."""

    def add(self, sources: pa.ChunkedArray, sizes: pa.ChunkedArray, cuts: pa.Table) -> None:
        """`sources` and `sizes` (N,), UTF-8 bytes before the edits, of all documents; `cuts` are rows of `CUTS`."""
        came = pa.table({"source": sources, "bytes": sizes}).group_by("source")
        for row in came.aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist():
            before = self._came.setdefault(row["source"], np.zeros(2, np.int64))
            before += (row["bytes_count"], row["bytes_sum"])
        places = cuts.group_by(["source", "position"])
        for row in places.aggregate([("cut", "sum"), ("inserted", "sum")]).to_pylist():
            self._of(row["source"])[row["position"], 1] += row["cut_sum"] - row["inserted_sum"]
        emptied = cuts.filter(cuts["emptied"]).group_by(["source", "id"]).aggregate([("position", "max")])
        for row in emptied.group_by(["source", "position_max"]).aggregate([([], "count_all")]).to_pylist():
            self._of(row["source"])[row["position_max"], 0] += row["count_all"]

    def _of(self, source: str) -> NDArray[np.int64]:
        return self._taken.setdefault(source, np.zeros((len(self._edits), 2), np.int64))

    def found(self, accepted: Collection[str]) -> dict[str, list[str]]:
        """By edit that is not `accepted`: what it takes too much of, a phrase each."""
        came = {source: self._came[source] - _before(self._of(source)) for source in sorted(self._came)}
        whole = sum(came.values(), np.zeros((len(self._edits), 2), np.int64))
        taken = sum(self._taken.values(), np.zeros_like(whole))
        found: dict[str, list[str]] = {}
        for at, edit in enumerate(self._edits):
            parts = [("", whole[at], taken[at], MOST)]
            parts += [(f" of source {name!r}", came[name][at], self._of(name)[at], MOST_OF_A_SOURCE) for name in came]
            phrases = [
                f"{edit.kind} {verb} {lost} of the {there} {what}{where} ({lost / there:.0%})"
                for where, all_of, lost_of, most in parts
                for verb, what, there, lost in zip(
                    ("empties", "takes"), ("documents", "bytes"), all_of.tolist(), lost_of.tolist(), strict=True
                )
                if all_of[0] >= FEW and lost > most * there and not (what == "bytes" and edit.kind in MARKUP)
            ]
            if phrases and edit.kind not in accepted:
                found.setdefault(edit.kind, []).extend(phrases)
        return found


def _before(taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """(edits, 2) what the edits before each have taken."""
    before: NDArray[np.int64] = np.cumsum(taken, axis=0) - taken
    return before


def complaint(found: dict[str, list[str]]) -> str:
    """The sentence about what `EditLosses.found` gives, and the remedy."""
    return (
        f"clean stops, since {'; '.join(phrase for phrases in found.values() for phrase in phrases)}. {bounds_told()} "
        f"If that is meant: clean.accept_losses=[{', '.join(found)}]. If not, loosen that edit, restrict it with "
        "`sources`, or take it out of clean.edits."
    )
