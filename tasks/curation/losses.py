"""The guard: no step takes most of a corpus, or nearly all of a source, without being told to."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from tasks.corpus.guarded import FEW, MOST, MOST_OF_A_SOURCE


def losses(
    step: str,
    dropped: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    sources: NDArray[np.int64],
    names: list[str],
    cut: NDArray[np.int64] | int = 0,
) -> list[str]:
    """What a step takes too much of, a phrase each; `sources` (N,) are indices into `names`, `sizes` (N,) bytes, `cut`
    (N,) those that it cuts out of documents that stay."""
    found, by_source = [], []
    many = np.bincount(sources, minlength=len(names)) >= FEW
    for what, taken, came in (
        ("documents", dropped, np.ones(len(dropped))),
        ("bytes", np.where(dropped, sizes, cut), sizes),
    ):
        lost, whole = int(taken.sum()), int(came.sum())
        if len(dropped) >= FEW and lost > MOST * whole:
            found.append(f"{step} takes {lost} of {whole} {what} ({lost / whole:.0%})")
        if what == "documents" or np.any(cut):
            lost_of, whole_of = (np.bincount(sources, column, len(names)) for column in (taken, came))
            by_source += [
                f"{step} takes {lost_of[at]:.0f} of the {whole_of[at]:.0f} {what} of source {names[at]!r} "
                f"({lost_of[at] / whole_of[at]:.0%})"
                for at in np.flatnonzero(many & (lost_of > MOST_OF_A_SOURCE * whole_of))
            ]
    return found + by_source


def complaint(found: Collection[str], steps: Collection[str]) -> str:
    """The sentence of the guard about phrases of `losses`, and the remedy."""
    return (
        f"select stops, since {'; '.join(found)}. {bounds_told()} If that is meant: "
        f"select.accept_losses=[{', '.join(steps)}]. If not, loosen that step; with report_only a rule drops nothing "
        "and says what it would take."
    )


def bounds_told() -> str:
    return f"Expected at most {MOST:.0%} of documents and bytes, and {MOST_OF_A_SOURCE:.0%} of a source."
