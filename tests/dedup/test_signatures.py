"""Signatures against datasketch, and bands against their definition and theory."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash

from tasks.dedup import signatures
from tasks.dedup.shingles import shingles
from tasks.dedup.signatures import band_keys, recall, sign


def texts(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(list("abcdefghij"), random.integers(0, 60))) for _ in range(count)]


@pytest.mark.parametrize("block", [4096, 16])  # 16: documents larger than a block
def test_values_equal_those_of_datasketch(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(signatures, "_BLOCK", block)
    sets = shingles(texts(50, seed=0))
    signed = sign(sets, 112, seed=7)
    for text in range(len(sets)):
        oracle = MinHash(num_perm=112, seed=7, hashfunc=lambda value: value & 0xFFFFFFFF)
        for value in sets.of(text).tolist():
            oracle.update(value)
        assert np.array_equal(signed[text], oracle.hashvalues)


def test_two_texts_share_a_band_iff_all_its_rows_are_equal():
    random = np.random.default_rng(1)
    signed = random.integers(0, 2, (300, 12), dtype=np.uint32)
    keys = band_keys(signed, 4)
    rows = signed.reshape(300, 4, 3)
    same = (rows[:, None] == rows[None]).all(axis=-1)
    assert np.array_equal(keys[:, None] == keys[None], same)


def test_bands_that_do_not_divide_the_permutations_are_refused():
    with pytest.raises(ValueError, match=r"bands=5.*112"):
        band_keys(np.zeros((1, 112), np.uint32), 5)


def test_recall_of_the_default_bands():
    assert [round(recall(j, 14, 8), 2) for j in (0.75, 0.80, 0.825, 0.85)] == [0.77, 0.92, 0.97, 0.99]
