"""What a rule says about every document at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measured = Mapping[str, NDArray[Any]]
"""The measures by column name, one value a document. (N,)"""


@dataclass(frozen=True)
class Verdict:
    drop: NDArray[np.bool_]
    """(N,)"""
    value: NDArray[np.float64]
    """(N,) what was measured."""
    threshold: NDArray[np.float64]
    """(N,) the bound that was broken; NaN where none was."""
    reason: NDArray[np.int64]
    """(N,) index into `reasons`."""
    reasons: tuple[str, ...]
    fitted: tuple[Mapping[str, Any], ...] = ()
    """What was fitted on the judged documents, such as the thresholds of each language."""

    def among(self, judged: NDArray[np.bool_]) -> Verdict:
        """This verdict on the judged ones of N documents, as one on all N: the others stay."""

        def spread(part: NDArray[Any]) -> NDArray[Any]:
            whole = np.zeros(len(judged), part.dtype)
            whole[judged] = part
            return whole

        columns = spread(self.drop), spread(self.value), spread(self.threshold), spread(self.reason)
        return Verdict(*columns, self.reasons, self.fitted)


def outside(values: NDArray[Any], name: str, *, minimum: float = -np.inf, maximum: float = np.inf) -> Verdict:
    """Drop what lies below `minimum` or above `maximum`; `name` says what was measured."""
    low, high = values < minimum, values > maximum
    threshold = np.where(low, minimum, np.where(high, maximum, np.nan))
    return Verdict(
        low | high,
        values.astype(np.float64),
        threshold,
        high.astype(np.int64),
        (f"{name}: too low", f"{name}: too high"),
    )


def first(verdicts: Sequence[Verdict]) -> Verdict:
    """Of several verdicts the first that drops a document."""
    result = verdicts[0]
    for other in verdicts[1:]:
        take = other.drop & ~result.drop
        result = Verdict(
            result.drop | take,
            np.where(take, other.value, result.value),
            np.where(take, other.threshold, result.threshold),
            np.where(take, other.reason + len(result.reasons), result.reason),
            result.reasons + other.reasons,
            result.fitted + other.fitted,
        )
    return result
