"""Bits per byte at both tails, by quantiles of the corpus: CCNet (Wenzek et al. 2020, section 3.4) cuts one.

The quantiles are fitted for each language and range of lengths apart: short texts need more bits for each byte, and so
do languages that the models saw little of, which says nothing about their quality. Of few documents quantiles say
little either, so that cells with less than `min_documents` are taken together, those of one range of lengths, and what
is less even so is not judged. A quantile is a value that occurs, none between two: of N documents at most ⌊q·N⌋ lie
below the one of q. They are the quantiles of a `population`: the corpus, or the version of it that its state was fitted
to. A range of lengths of which that had nothing to compare with is not judged.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_config.rules import PerplexityRule
from tasks.curation.rules.verdict import Measured, Verdict

OTHERS = "others"
"""The languages of one range of lengths that have few documents each."""


def judge(measured: Measured, rule: PerplexityRule, population: Measured) -> Verdict:
    bits, languages, ranges = _columns(measured, rule)
    known, known_languages, known_ranges = (
        (bits, languages, ranges) if population is measured else _columns(population, rule)
    )
    low, high = np.full(len(bits), -np.inf), np.full(len(bits), np.inf)
    fitted: list[dict[str, Any]] = []
    for place in np.unique(known_ranges).tolist():
        left = ranges == place
        for language, cell in _cells(known_languages, known_ranges == place, rule.min_documents):
            bounds = _bounds(np.sort(known[cell]), rule)
            own = left if language == OTHERS else left & (languages == language)
            low[own], high[own] = bounds
            left &= ~own
            fitted.append(
                {
                    "language": language,
                    "bytes": list((0, *rule.length_edges, None)[place : place + 2]),
                    "documents": int(cell.sum()),
                    "low": float(bounds[0]) if np.isfinite(bounds[0]) else None,
                    "high": float(bounds[1]) if np.isfinite(bounds[1]) else None,
                }
            )
    below, above = bits < low, bits > high
    return Verdict(
        drop=below | above,
        value=bits,
        threshold=np.where(below, low, np.where(above, high, np.nan)),
        reason=above.astype(np.int64),
        reasons=("bits per byte: too low", "bits per byte: too high"),
        fitted=tuple(fitted),
    )


def _bounds(ascending: NDArray[np.float64], rule: PerplexityRule) -> tuple[float, float]:
    """What lies below the first or above the second is dropped; without end where nothing is, of so few."""
    below, above = (
        int(share * len(ascending))
        for share in (Fraction(str(rule.low_quantile)), 1 - Fraction(str(rule.high_quantile)))  # exactly as written
    )
    return ascending[below] if below else -np.inf, ascending[-1 - above] if above else np.inf


def _columns(
    measured: Measured, rule: PerplexityRule
) -> tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.int64]]:
    """Bits per byte, language and range of lengths. (N,) each"""
    bits = np.asarray(measured["bits_per_byte"], np.float64)
    return (
        bits,
        measured["language"].astype(str),
        np.searchsorted(np.array(rule.length_edges), measured["bytes"], "right"),
    )


def _cells(languages: NDArray[np.str_], here: NDArray[np.bool_], minimum: int) -> list[tuple[str, NDArray[np.bool_]]]:
    """The documents `here` (N,) by language, those of languages with fewer than `minimum` of them as one, if it has."""
    names, counts = np.unique(languages[here], return_counts=True)
    large = names[counts >= minimum]
    cells = [(str(name), here & (languages == name)) for name in large]
    rest = here & ~np.isin(languages, large)
    return [*cells, (OTHERS, rest)] if rest.sum() >= minimum else cells
