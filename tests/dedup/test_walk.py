"""The engine against the naive loop over all kept documents, on datasketch's signatures."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup import kernels
from tasks.dedup.bands import Bands
from tasks.dedup.scratch import Scratch
from tasks.dedup.shingles import jaccard, shingles
from tasks.dedup.signatures import sign
from tasks.dedup.walk import KEPT, Walked, fill_buckets, find_near_duplicates
from tasks.dedup.words import hash_words

WORDS = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


def engine(
    texts: list[str],
    order: list[int],
    shape: Bands,
    *,
    size: int = 5,
    threshold: float = 0.8,
    minimum_words: int = 20,
    max_bucket: int = 1000,
    parts: int = 1,
    rows: int = 1000,
    memory: int = 1 << 20,
    folder: Path = Path("/tmp"),
    wanted: Collection[int] = (),
    only_with_wanted: bool = False,
) -> Walked:
    """Signed in `parts` partitions, read again in batches of at most `rows`."""
    hashed = [hash_words(pa.array(texts[part::parts], pa.large_string())) for part in range(parts)]
    signatures = np.zeros((len(texts), shape.bands * shape.rows), np.uint32)
    words = np.zeros(len(texts), np.int64)
    for part, own in enumerate(hashed):
        signatures[part::parts], words[part::parts] = sign(own, size, signatures.shape[1], 1), own.counts

    def read(wanted: np.ndarray) -> Any:
        found = np.flatnonzero(wanted)
        for start in range(0, len(found), rows):
            batch = found[start : start + rows]
            yield batch, pa.array([texts[row] for row in batch], pa.large_string())

    with Scratch(folder, memory) as scratch:
        return find_near_duplicates(
            np.array(order, np.int64),
            words,
            signatures,
            read,
            scratch,
            wanted=np.isin(np.arange(len(texts)), list(wanted)),
            shape=shape,
            shingle_size=size,
            threshold=threshold,
            minimum_words=minimum_words,
            max_bucket=max_bucket,
            only_with_wanted=only_with_wanted,
        )


def naive(
    texts: list[str],
    order: list[int],
    shape: Bands,
    size: int,
    threshold: float,
    minimum_words: int,
    wanted: Collection[int] = (),
    only_with_wanted: bool = False,
) -> dict[int, tuple[int, float]]:
    """Every pair of kept and new document that shares a band of datasketch's signatures, by Python sets."""
    sets = shingles(texts, size)
    keys = []
    for text in range(len(texts)):
        oracle = MinHash(num_perm=shape.bands * shape.rows, seed=1, hashfunc=lambda value: value & 0xFFFFFFFF)
        oracle.update_batch(sets.of(text).tolist())
        keys.append(oracle.hashvalues.reshape(shape))
    kept: list[int] = []
    expected = {}
    for document in order:
        words = texts[document].split()
        if document in wanted:
            twins = []
        elif len(words) < minimum_words:
            twins = [(1.0, twin) for twin in kept if texts[twin].split() == words and words]
        else:
            scores = [
                (jaccard(sets.of(document), sets.of(twin)), twin)
                for twin in kept
                if len(texts[twin].split()) >= minimum_words and (keys[document] == keys[twin]).all(axis=1).any()
            ]
            twins = [pair for pair in scores if pair[0] >= threshold]
        if twins:
            best = max(score for score, _ in twins)
            expected[document] = (next(twin for score, twin in twins if score == best), best)
        elif document in wanted or not only_with_wanted:
            kept.append(document)
    return expected


@settings(deadline=None)
@given(
    st.lists(WORDS, max_size=14),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.integers(0, 8),
    st.sampled_from([Bands(1, 1), Bands(2, 1), Bands(3, 2), Bands(1, 3)]),
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(0, 300),
    st.data(),
)
def test_the_engine_equals_the_naive_loop_whatever_the_partitions_batches_and_memory(
    texts, threshold, minimum_words, shape, parts, rows, memory, data
):
    """Few bands: some pairs miss them all, and the loop must see the same candidates."""
    order = data.draw(st.permutations(range(len(texts))))[: data.draw(st.integers(0, len(texts)))]
    expected = naive(texts, order, shape, 3, threshold, minimum_words)
    walked = engine(
        texts,
        order,
        shape,
        size=3,
        threshold=threshold,
        minimum_words=minimum_words,
        parts=parts,
        rows=rows,
        memory=memory,
    )
    dropped = np.flatnonzero(walked.matched != KEPT).tolist()
    assert {d: (int(walked.matched[d]), float(walked.jaccard[d])) for d in dropped} == expected
    assert not walked.jaccard[walked.matched == KEPT].any()


@settings(deadline=None)
@given(
    st.lists(WORDS, max_size=14),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.integers(0, 8),
    st.sampled_from([Bands(2, 1), Bands(3, 2)]),
    st.booleans(),
    st.data(),
)
def test_wanted_texts_stay_and_the_others_are_compared_with_all_of_them(
    texts, threshold, minimum_words, shape, only_with_wanted, data
):
    order = data.draw(st.permutations(range(len(texts))))
    wanted = order[: data.draw(st.integers(0, len(texts)))]
    more = {"wanted": wanted, "only_with_wanted": only_with_wanted}
    expected = naive(texts, order, shape, 3, threshold, minimum_words, **more)
    walked = engine(texts, order, shape, size=3, threshold=threshold, minimum_words=minimum_words, **more)
    dropped = np.flatnonzero(walked.matched != KEPT).tolist()
    assert {d: (int(walked.matched[d]), float(walked.jaccard[d])) for d in dropped} == expected
    assert not set(wanted) & set(dropped)


def numbers(first: int, last: int) -> str:
    return " ".join(f"word{i}" for i in range(first, last))


def near(texts: list[str], order: list[int] | None = None) -> list[int]:
    """One row a band: what is near is always a candidate."""
    return engine(texts, order or list(range(len(texts))), Bands(112, 1)).matched.tolist()


def test_a_chain_of_near_duplicates_keeps_every_text_that_has_no_kept_twin():
    """0 and 1 are near, 1 and 2 are, 0 and 2 are not: closing over the chain would drop 2."""
    assert near([numbers(0, 100), numbers(8, 108), numbers(16, 116)]) == [KEPT, 0, KEPT]


def test_what_is_near_a_wanted_text_goes_though_that_one_is_near_another():
    """0 and 1 are wanted and near, 2 is near 1 alone."""
    texts = [numbers(0, 100), numbers(8, 108), numbers(16, 116)]
    assert engine(texts, [0, 1, 2], Bands(112, 1), wanted=[0, 1]).matched.tolist() == [KEPT, KEPT, 1]


def test_the_order_decides_who_stays():
    texts = [numbers(0, 100), numbers(8, 108), numbers(16, 116)]
    assert near(texts, [1, 0, 2]) == [1, KEPT, 1]


def test_documents_outside_the_order_are_left_alone():
    assert near([numbers(0, 100), numbers(0, 100), numbers(0, 100)], [2, 0]) == [2, KEPT, KEPT]


def test_short_texts_repeat_only_texts_of_the_same_words():
    texts = ["Enable rotation of the key.", "enable ROTATION of the key", "enable rotation of the keys", "!!!", "???"]
    assert near(texts) == [KEPT, 0, KEPT, KEPT, KEPT]


def test_a_short_text_is_no_near_duplicate_of_a_longer_one():
    assert near([numbers(0, 20), numbers(0, 19)]) == [KEPT, KEPT]


def test_a_jaccard_of_exactly_the_threshold_is_enough():
    """20 of 25 shingles, all of the shorter text's."""
    assert near([numbers(0, 29), numbers(0, 24)]) == [KEPT, 0]
    assert near([numbers(0, 30), numbers(0, 24)]) == [KEPT, KEPT]


def test_buckets_are_numbered_band_by_band_where_a_key_occurs_twice(tmp_path: Path):
    keys = np.array([[1, 1, 2, 2, 3], [5, 6, 5, 7, 5]], np.uint64)
    with Scratch(tmp_path, 1000) as scratch:
        buckets = fill_buckets(keys, scratch)
    assert buckets.slots.tolist() == [[0, 2], [0, -1], [1, 2], [1, -1], [-1, 2]]
    assert (buckets.counts.tolist(), buckets.bands.tolist()) == ([2, 2, 3], [0, 0, 1])


def test_of_two_equally_near_texts_the_earlier_one_is_named_though_its_band_is_later():
    """Texts 0 and 1 share half of 2's shingles each; 1 is met first."""
    slots = np.array([[-1, 1], [0, -1], [0, 1]], np.int32)
    values, offsets = np.array([1, 2, 3, 4, 1, 2, 3, 4], np.uint64), np.array([0, 2, 4, 8])
    members, held = np.zeros(4, np.int32), np.zeros(2, np.int64)
    matched, similarity = np.full(3, KEPT, np.int64), np.zeros(3)
    starts, sets = np.array([0, 2, 4]), np.arange(3)
    wanted = np.zeros(3, bool)
    walked = kernels.walk(slots, starts, values, offsets, sets, wanted, False, 0.5, members, held, matched, similarity)
    assert walked == 2
    assert (matched.tolist(), similarity.tolist()) == ([KEPT, KEPT, 0], [0, 0, 0.5])


def test_a_large_bucket_is_named_and_nothing_in_it_is_passed_over():
    """Five texts with one key in a band of one row, each unlike the others, and a twin of the last."""
    texts = [numbers(0, 60) + " " + numbers(1000 * n, 1000 * n + 40) for n in range(1, 6)]
    walked = engine([*texts, texts[4] + " end"], list(range(6)), Bands(30, 1), max_bucket=5)
    assert walked.matched.tolist() == [KEPT] * 5 + [4]
    assert walked.large
    assert {(bucket.documents, bucket.first) for bucket in walked.large} == {(6, 0)}
    assert not engine(texts, list(range(5)), Bands(30, 1), max_bucket=5).large


def test_beyond_its_memory_the_index_lies_in_files_that_are_gone_afterwards(tmp_path: Path):
    scratch = Scratch(tmp_path, 100)
    held, filed = scratch.array(12, np.uint64), scratch.array((3, 4), np.int32)
    filed[:] = 7
    assert held.shape == (12,)
    assert scratch.spilled == 48
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.bin")) == 48
    scratch.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_every_dropped_text_has_a_kept_twin_by_brute_force(threshold: float):
    random = np.random.default_rng(5)
    texts = []
    for _ in range(40):
        words = [f"w{n}" for n in random.integers(0, 2000, 60)]
        for _ in range(6):  # a drift away from the first: chains
            words[int(random.integers(0, 60))] = f"w{random.integers(0, 2000)}"
            texts.append(" ".join(words))
    walked = engine(texts, list(range(len(texts))), Bands(20, 4), threshold=threshold)
    dropped = np.flatnonzero(walked.matched != KEPT)
    sets = [{tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in (text.split() for text in texts)]
    assert len(dropped) > 20
    for document in dropped.tolist():
        twin = int(walked.matched[document])
        exact = len(sets[document] & sets[twin]) / len(sets[document] | sets[twin])
        assert walked.matched[twin] == KEPT
        assert walked.jaccard[document] == exact >= threshold
