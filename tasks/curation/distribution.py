"""How the documents are spread over the values of a measure, for a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 24
_TAILS = (0.5, 99.5)  # percentiles; what lies beyond is counted in the first and the last bin
_SKEWED = 20  # times the median: bins of equal ratio instead of equal width


def distribution(values: NDArray[Any]) -> dict[str, Any]:
    """Edges (K + 1) and counts (K) of at most `BINS` bins; `logarithmic` if they are of equal ratio.

    The outer bins also count what lies beyond them; `lowest` and `highest` say how far that reaches.
    """
    if not len(values):
        return {"edges": [], "counts": [], "logarithmic": False, "lowest": 0.0, "highest": 0.0}
    low, high = np.percentile(values, _TAILS)
    logarithmic = bool(low >= 0 and high > _SKEWED * max(np.median(values), 1))
    if logarithmic:
        edges = np.geomspace(low + 1, high + 1, BINS + 1) - 1
    else:
        edges = np.linspace(low, high, (BINS if high > low else 1) + 1)
    counts = np.bincount(
        np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2), minlength=len(edges) - 1
    )
    return {
        "edges": [float(f"{edge:.6g}") for edge in edges],
        "counts": counts.tolist(),
        "logarithmic": logarithmic,
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }
