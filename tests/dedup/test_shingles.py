"""Words, shingles and Jaccard against definitions written out with Python sets and regular expressions."""

from __future__ import annotations

import numpy as np
import regex
from hypothesis import given
from hypothesis import strategies as st

from tasks.dedup.shingles import jaccard, ngrams, shingles
from tasks.dedup.words import hash_words, normalise

ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}"
WORDS = regex.compile(rf"(?V1)[{ALONE}]|[[\p{{L}}\p{{M}}\p{{Nd}}_]--[{ALONE}]]+")
TEXT = st.text(alphabet=st.sampled_from("ab_1 .\n\tÄé\u0301漢字ไทยの"), max_size=40)


def sets_of(text: str, size: int) -> set[tuple[str, ...]]:
    words = WORDS.findall(normalise(text))
    if len(words) < size:
        return {tuple(words)}
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


@given(st.lists(TEXT, min_size=2, max_size=5), st.integers(1, 5))
def test_jaccard_equals_that_of_python_sets(texts: list[str], size: int):
    sets = shingles(texts, size)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            a, b = sets_of(one, size), sets_of(other, size)
            assert jaccard(sets.of(i), sets.of(j)) == len(a & b) / len(a | b)


def test_a_text_of_few_words_has_one_shingle_the_whole_of_it():
    sets = shingles(["Rotate the key", "rotate THE key!", "rotate the keys", "key the rotate"])
    assert np.diff(sets.offsets).tolist() == [1, 1, 1, 1]
    assert sets.words.tolist() == [3, 3, 3, 3]
    assert len({sets.of(i)[0] for i in range(4)}) == 3
    assert sets.of(0)[0] == sets.of(1)[0] == sets.whole[0]


def test_the_whole_of_a_text_hashes_like_an_ngram_of_that_length():
    grams, offsets = ngrams(hash_words(["please rotate the key now"]), 3)
    assert grams[offsets[0] + 1] == shingles(["rotate the key"]).whole[0]
