"""The guard: no step takes most of a corpus, or nearly all of a source, without being told to."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from tasks.corpus.guarded import FEW, MOST, MOST_OF_A_SOURCE


def losses(
    step: str, dropped: NDArray[np.bool_], sizes: NDArray[np.int64], sources: NDArray[np.int64], names: list[str]
) -> list[str]:
    """What a step takes too much of, a phrase each; `sources` (N,) are indices into `names`, `sizes` (N,) bytes."""
    found = []
    for what, taken, whole in (
        ("documents", int(dropped.sum()), len(dropped)),
        ("bytes", int(sizes[dropped].sum()), int(sizes.sum())),
    ):
        if len(dropped) >= FEW and taken > MOST * whole:
            found.append(f"{step} takes {taken} of {whole} {what} ({taken / whole:.0%})")
    all_of, taken_of = (np.bincount(codes, minlength=len(names)) for codes in (sources, sources[dropped]))
    found += [
        f"{step} takes {taken} of the {whole} documents of source {name!r} ({taken / whole:.0%})"
        for name, taken, whole in zip(names, taken_of.tolist(), all_of.tolist(), strict=True)
        if whole >= FEW and taken > MOST_OF_A_SOURCE * whole
    ]
    return found


def complaint(found: Collection[str], steps: Collection[str]) -> str:
    """The sentence of the guard about phrases of `losses`, and the remedy."""
    return (
        f"select stops, since {'; '.join(found)}. {bounds_told()} If that is meant: "
        f"select.accept_losses=[{', '.join(steps)}]. If not, loosen that step; with report_only a rule drops nothing "
        "and says what it would take."
    )


def bounds_told() -> str:
    return f"Expected at most {MOST:.0%} of documents and bytes, and {MOST_OF_A_SOURCE:.0%} of a source."
