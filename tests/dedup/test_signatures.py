"""Signatures against datasketch, and keys of bands against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash

from tasks.dedup.shingles import shingles_of
from tasks.dedup.signatures import SignatureFile, band_keys, sign, sliced_band_keys
from tasks.dedup.words import hash_words


def texts(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(list("abcdefghij"), random.integers(0, 60))) for _ in range(count)]


def test_values_equal_those_of_datasketch():
    words = hash_words(texts(50, seed=0))
    sets, signed = shingles_of(words, 5), sign(words, 5, 112, seed=7)
    for text in range(len(sets)):
        oracle = MinHash(num_perm=112, seed=7, hashfunc=lambda value: value & 0xFFFFFFFF)
        for value in sets.of(text).tolist():
            oracle.update(value)
        assert np.array_equal(signed[text], oracle.hashvalues)


def test_a_long_text_has_the_least_value_of_its_parts():
    long = texts(1, seed=3)[0] + " k".join(str(number) for number in range(30_000))
    words = hash_words([long])
    values = shingles_of(words, 5).values.astype(np.uint32)
    oracle = MinHash(num_perm=8, seed=1, hashfunc=lambda value: value & 0xFFFFFFFF)
    oracle.update_batch(values.tolist())
    assert np.array_equal(sign(words, 5, 8, seed=1)[0], oracle.hashvalues)


def test_two_texts_share_a_band_iff_all_its_rows_are_equal():
    random = np.random.default_rng(1)
    signed = random.integers(0, 2, (300, 12), dtype=np.uint32)
    keys = band_keys(signed, 4, 3)
    rows = signed.reshape(300, 4, 3)
    same = (rows[:, None] == rows[None]).all(axis=-1)
    assert np.array_equal(keys[:, None] == keys[None], same)


def test_bands_that_need_more_permutations_than_there_are_are_refused():
    with pytest.raises(ValueError, match=r"15 bands of 8 rows.*112"):
        band_keys(np.zeros((1, 112), np.uint32), 15, 8)
    assert band_keys(np.zeros((1, 112), np.uint32), 15, 7).shape == (1, 15)


@pytest.mark.parametrize("share", [1.0, 0.00005, 0.0])  # a few texts leave slices out
def test_keys_of_a_file_slice_by_slice_are_those_of_all_at_once(tmp_path: Path, share: float):
    random = np.random.default_rng(2)
    signed = random.integers(0, 1 << 32, (200_000, 4), dtype=np.uint32)
    np.save(tmp_path / "signatures.npy", signed)
    chosen = np.flatnonzero(random.random(len(signed)) < share)
    found = np.zeros((len(chosen), 2), np.uint64)
    parts = 0
    for part, keys in sliced_band_keys(SignatureFile(tmp_path / "signatures.npy"), chosen, 2, 2):
        found[part] = keys
        parts += 1
    assert np.array_equal(found, band_keys(signed[chosen], 2, 2))
    assert parts > 1 or share < 1
