"""The walk against the naive loop over all kept documents."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.shingles import jaccard, shingles
from tasks.dedup.signatures import band_keys, sign
from tasks.dedup.walk import KEPT, walk

WORDS = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=14), st.sampled_from([0.3, 0.5, 0.8]), st.integers(0, 8), st.integers(1, 3), st.data())
def test_greedy_keep_equals_the_naive_loop(texts, threshold, minimum_words, bands, data):
    """Few bands of one row: some pairs miss them all, and the loop must see the same candidates."""
    sets = shingles(texts, 3)
    keys = band_keys(sign(sets, bands, seed=1), bands)
    order = np.array(data.draw(st.permutations(range(len(texts)))), np.int64)
    kept: list[int] = []
    expected = {}
    for document in order.tolist():
        words = texts[document].split()
        if len(words) < minimum_words:
            twins = [(1.0, twin) for twin in kept if texts[twin].split() == words and words]
        else:
            scores = [
                (jaccard(sets.of(document), sets.of(twin)), twin)
                for twin in kept
                if len(texts[twin].split()) >= minimum_words and (keys[document] == keys[twin]).any()
            ]
            twins = [pair for pair in scores if pair[0] >= threshold]
        if twins:
            best = max(score for score, _ in twins)
            expected[document] = (next(twin for score, twin in twins if score == best), best)
        else:
            kept.append(document)
    walked = walk(order, sets, keys, threshold=threshold, minimum_words=minimum_words)
    found = {d: (int(walked.matched[d]), float(walked.jaccard[d])) for d in order if walked.matched[d] != KEPT}
    assert found == expected


def numbers(first: int, last: int) -> str:
    return " ".join(f"word{i}" for i in range(first, last))


def near(texts: list[str], order: list[int] | None = None) -> list[int]:
    sets = shingles(texts)
    keys = band_keys(sign(sets, 112, seed=1), 112)  # one row a band: what is near is always a candidate
    whole = np.arange(len(texts)) if order is None else np.array(order, np.int64)
    return walk(whole, sets, keys, threshold=0.8, minimum_words=20).matched.tolist()


def test_a_chain_of_near_duplicates_keeps_every_text_that_has_no_kept_twin():
    """0 and 1 are near, 1 and 2 are, 0 and 2 are not: closing over the chain would drop 2."""
    assert near([numbers(0, 100), numbers(8, 108), numbers(16, 116)]) == [KEPT, 0, KEPT]


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
