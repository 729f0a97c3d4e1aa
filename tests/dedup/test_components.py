"""Components of texts that share bands."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tasks.dedup.components import components
from tasks.dedup.signatures import band_keys, sign
from tasks.dedup.words import hash_words


def by_hand(keys: list[list[int]]) -> list[int]:
    """The same by following neighbours."""
    found = list(range(len(keys)))
    for start in range(len(keys)):
        waiting, seen = [start], {start}
        while waiting:
            one = waiting.pop()
            near = [at for at, other in enumerate(keys) if at not in seen and any(map(int.__eq__, keys[one], other))]
            seen.update(near)
            waiting += near
        found[start] = min(seen)
    return found


@given(st.integers(1, 3).flatmap(lambda bands: st.lists(st.lists(st.integers(0, 9), min_size=bands, max_size=bands))))
def test_chains_lead_to_the_first_text(keys: list[list[int]]) -> None:
    width = len(keys[0]) if keys else 2
    assert components(np.array(keys, np.uint64).reshape(-1, width).T).tolist() == by_hand(keys)


def test_a_key_counts_in_its_own_band_only() -> None:
    assert components(np.array([[1, 2, 3], [2, 1, 1]], np.uint64)).tolist() == [0, 1, 1]


def test_texts_that_resemble_each_other_hang_together() -> None:
    words = [f"word{number}" for number in range(120)]
    other = [f"other{number}" for number in range(120)]
    texts = [" ".join(words), " ".join(other), " ".join([*words[:60], "changed", *words[61:]]), "two words"]
    assert components(band_keys(sign(hash_words(pa.array(texts)), 5, 112, 1), 14, 8).T).tolist() == [
        0,
        1,
        0,
        3,
    ]  # J = 111/121
