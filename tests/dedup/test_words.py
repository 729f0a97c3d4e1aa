"""Words and their hashes against a regular expression, Python's own normalisation and the formula written out."""

from __future__ import annotations

import unicodedata
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.dedup import words
from tasks.dedup.words import alphabet, hash_words, normalise

ALONE, ANY = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}", r"\p{L}\p{M}\p{Nd}"
WORDS = regex.compile(rf"(?V1)[[{ALONE}]&&[{ANY}]]|[[{ANY}_]--[{ALONE}]]+")
# Letters that fold in ways of their own (İ, Σ, Ǆ, ẞ), compose (é, Hangul jamo, ка̄), reorder (cedilla, dot below), or
# are replaced (K, Å, 豈); and plain ones of every length in UTF-8.
ODD = "ab_1Z .\n\tÄéİIıΣσςǅẞKÅ豈漢字ไทยの각가𝐀𐐀\U0001f600" + (
    "\u0301\u0327\u0323\u0308\u1100\u1161\u11a8\u0b92\u0bd7\ufe0f\u200d"
)
# Beyond, the scripts of the expression hold more than the blocks meant; `regex` knows characters that Python does not.
OTHERS = st.characters(max_codepoint=0x2E7F, exclude_categories=["Cn"])
TEXT = st.text(alphabet=st.one_of(st.sampled_from(ODD), OTHERS), max_size=30)
LIMIT = 1 << 64


def mixed(value: int) -> int:
    """SplitMix64's finaliser on Python's integers."""
    value = (value + 0x9E3779B97F4A7C15) % LIMIT
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % LIMIT
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % LIMIT
    return value ^ (value >> 31)


def hash_of(word: str) -> int:
    return mixed(sum(mixed(ord(c)) * pow(0x9E3779B97F4A7C15, i, LIMIT) for i, c in enumerate(word)) % LIMIT)


def by_hand(text: str) -> list[int]:
    return [hash_of(word) for word in WORDS.findall(unicodedata.normalize("NFC", text).lower())]


def hashed(texts: list[str] | pa.Array) -> list[list[int]]:
    found = hash_words(texts)
    return [found.hashes[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]


def test_words_are_runs_of_letters_marks_digits_and_underscore_and_each_han_character_is_one():
    expected = [["set", "s3_bucket", "to", "2", "5", "größe"], ["漢", "字", "and", "か", "な"], [], []]
    found = hashed(["Set S3_bucket to 2.5; Größe!", "漢字 and かな", "...", ""])
    assert found == [[hash_of(word) for word in line] for line in expected]


@given(st.lists(TEXT, max_size=6), st.integers(1, 20))
@example(["x\u0315\u0316 x\u0316\u0315"], 4096)  # marks that compose with nothing, in two orders
@example(["ΟΔΟΣ ΣΑΣ", "e\u0301", "q\u0323\u0307 q\u0307\u0323", "İstanbul", "\u1112\u1161\u11ab"], 4096)
@example(["ΟΔΟΣ ΣΑΣ\nΣ Σ\u0301 ", "no odd one", "e \u0301\n\u0301e"], 1)  # cut at every space
def test_words_equal_those_of_a_regular_expression(texts: list[str], piece: int):
    with patch.object(words, "PIECE", piece):
        assert hashed(texts) == [by_hand(text) for text in texts]


def test_every_code_point_folds_as_python_folds_it_or_is_left_to_python():
    """Alone and between letters, since lower case and composition look at neighbours."""
    table = alphabet()
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or table.order[code] == 255:
            continue
        folded = chr(table.fold[code])
        assert normalise(chr(code)) == folded, hex(code)
        assert normalise(f"a{chr(code)}a") == f"a{folded}a", hex(code)


def test_texts_are_read_from_a_slice_of_any_string_array():
    texts = ["left out", "Größe zählt", "e\u0301 mixed", "", "left out too"]
    for kind in (pa.string(), pa.large_string()):
        assert hashed(pa.array(texts, kind).slice(1, 3)) == [by_hand(text) for text in texts[1:4]]


def test_one_letter_words_fill_the_room_that_is_made_for_them():
    text = "a b " * 1000 + "a漢a漢a"
    assert len(hash_words([text, "a", "a"]).hashes) == 2000 + 5 + 2
    assert np.array_equal(hash_words([text]).counts, [2005])
