"""How many bands of how many rows: the S-curve of MinHash-LSH (Leskovec et al., Mining of Massive Datasets, 3.4).

Pure arithmetic, so that a config can be judged without loading an array library.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline_config.selection import NearDuplicatesConfig

_STEPS = 1000  # of the integral over Jaccard


class Bands(NamedTuple):
    """`bands` × `rows` values of a signature; two texts are candidates when all rows of a band agree."""

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """The probability that two texts of this Jaccard share a band: 1 − (1 − J^r)^b."""
        return 1 - (1 - jaccard**self.rows) ** self.bands

    def curve(self) -> list[tuple[float, float]]:
        """(Jaccard, recall) from 0 to 1 in steps of 0.025."""
        return [(step / 40, round(self.recall(step / 40), 4)) for step in range(41)]


def bands_of(config: NearDuplicatesConfig, permutations: int) -> Bands:
    """The bands that a config means, where signatures have so many values."""
    if config.bands == "auto":
        return choose(permutations, config.threshold, config.recall)
    return Bands(config.bands, permutations // config.bands)


def choose(permutations: int, threshold: float, recall: float) -> Bands:
    """The bands that find at least a share `recall` of pairs at Jaccard `threshold`, with the fewest false candidates.

    False candidates: the area below the curve from 0 to the threshold, as datasketch weighs them. Where no bands reach
    the recall, as many as there are permutations. On a tie the fewest bands.
    """
    shapes = [Bands(bands, rows) for rows in range(1, permutations + 1) for bands in range(1, permutations // rows + 1)]
    enough = [shape for shape in shapes if shape.recall(threshold) >= recall]
    if not enough:
        return Bands(permutations, 1)
    least = {}  # of one number of rows the fewest bands that suffice have the smallest area
    for shape in sorted(enough, reverse=True):
        least[shape.rows] = shape
    return min(least.values(), key=lambda shape: (false_candidates(shape, threshold), shape.bands))


def false_candidates(shape: Bands, threshold: float) -> float:
    """∫ recall dJ from 0 to the threshold (midpoint rule)."""
    step = threshold / _STEPS
    return sum(shape.recall((place + 0.5) * step) for place in range(_STEPS)) * step
