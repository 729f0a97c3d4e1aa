"""Measures of texts whose figures can be counted by hand, and against slow definitions."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.measures import rarity
from tasks.curation.measures.statistics import statistics
from tests.curation.plain_statistics import plain_statistics

PIECES = [*"abE1 \n.#…{}-•*!。;:完ไé\u0301\u00a0\u2028\r\x1c😀", "the", "Lorem ipsum", " WITH ", "...", "\n \n", "a b "]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=50).map("".join), min_size=1, max_size=4)


def one(text: str) -> dict[str, float]:
    return {name: values[0] for name, values in statistics([text]).items()}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Größe is 4", "bytes", 12),
        ("Größe is 4", "characters", 10),
        ("The key must\u00a0rotate.", "words", 4),
        ("用 key 轮换密钥。", "words", 7),  # each Han code point, and the full stop
        ("ab abcd", "mean_word_length", 3.0),
        ("ab abcd", "longest_word", 4),
        ("ports 22, 443 and 8080", "alphabetic_words", 2 / 5),
        ("# # one two", "hash_ratio", 0.5),
        ("wait ... and … stop", "ellipsis_ratio", 2 / 5),
        ("a=b; 12", "special_characters", 2 / 7),
        ("a=b; 12", "digits", 2 / 7),
        ("{{a}} b", "curly_braces", 4),
        ("The users and the keys of THE account have to, that", "stop_words", 5),  # `to,` is another word
        ("Version 2.5 is out! Upgrade? Yes. 完了。 No。x", "sentences", 4),
        ("Lorem ipsum dolor", "lorem_ipsum", 1),
        ("a\n\n b \nc", "lines", 3),
        ("- a\n• b\nc\nd", "bullet_lines", 0.5),
        ("a...\nb…\nc\nd", "ellipsis_lines", 0.5),
        ("a.\nb:\nc؟ \nd", "punctuated_lines", 0.5),
        ("x = {\n}\nfoo();\ntext", "code_lines", 0.75),
        ("short\n" + "long " * 9, "short_lines", 0.5),
        ("short\n" + " " * 26 + "short\n", "short_lines", 0.5),  # as it stands there
        ("a\nb\nc d", "newline_ratio", 0.5),
        ("a\nb\na\na", "duplicate_lines", 0.5),
        ("aaa\nb\naaa", "duplicate_line_characters", 3 / 9),
        ("a\nb\n\nc\n\na\nb\n\nd", "duplicate_paragraphs", 0.25),
        ("a\nb\n\nc\n\na\nb\n\nd", "duplicate_paragraph_characters", 3 / 14),
        ("a b a b c", "top_2_gram", 6 / 9),
        ("aa b c d", "top_2_gram", 4 / 8),  # none occurs twice: the first
        ("a", "top_2_gram", 0.0),
        ("a b c d e a b c d e", "duplicate_5_gram", 5 / 19),
        ("", "mean_word_length", 0.0),
    ],
)
def test_a_statistic(text: str, name: str, value: float):
    assert one(text)[name] == pytest.approx(value)


@given(TEXTS)
def test_statistics_equal_their_slow_definitions(texts: list[str]):
    measured = statistics(texts)
    for i, text in enumerate(texts):
        assert {name: values[i] for name, values in measured.items()} == pytest.approx(plain_statistics(text))


def test_long_repetitive_texts_equal_their_slow_definitions():
    """Long enough for n-grams of all lengths to repeat, and to stand inside a stretch that is skipped."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["a", "bb", "ccc.", "d\n"], 400, p=[0.6, 0.2, 0.1, 0.1])) for _ in range(20)]
    texts += [" ".join(["w" * (1 + at % 7) for at in range(length)]) for length in (8, 20, 200)]
    measured = statistics(texts)
    assert min(measured["duplicate_10_gram"][-1], measured["duplicate_5_gram"][:20].min()) > 0
    for i, text in enumerate(texts):
        assert {name: values[i] for name, values in measured.items()} == pytest.approx(plain_statistics(text))


def test_every_code_point_is_what_unicode_says():
    """A class that was not filled in would be seen."""
    points = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = ["".join(points[at : at + 4096]) for at in range(0, len(points), 4096)]
    measured = statistics(texts)
    kinds = [Counter("s" if c.isspace() else unicodedata.category(c)[0] for c in text) for text in texts]
    assert [round(share * len(text)) for share, text in zip(measured["digits"], texts, strict=True)] == [
        kind["N"] for kind in kinds
    ]
    assert [round(share * len(text)) for share, text in zip(measured["special_characters"], texts, strict=True)] == [
        len(text) - sum(kind[one] for one in "LMNs") for kind, text in zip(kinds, texts, strict=True)
    ]


def test_a_slice_of_an_arrow_column_is_measured():
    column = pa.array(["one", "two words", "", "and three words"], pa.string())
    assert statistics(column[1:])["words"].tolist() == [2, 0, 3]
    assert statistics(column[:0])["words"].tolist() == []
    assert statistics([])["words"].tolist() == []


def test_bytes_that_are_no_text_are_read_within_their_bounds():
    """As from a damaged file: whatever is counted, nothing beyond the text is read."""
    for damaged in (b"\xf4\xbf\xbf\xbf\xbf", b"ab\xe5", b"\x80\x80", b"\xff\xfe"):
        data = pa.array([damaged, b"end"], pa.large_binary())
        offsets, values = data.buffers()[1:]
        column = pa.Array.from_buffers(pa.large_string(), 2, [None, offsets, values])
        assert statistics(column)["words"][1] == 1
        assert statistics(column)["characters"][1] == 3


@given(TEXTS)
def test_a_text_is_measured_alike_alone_and_among_others(texts: list[str]):
    together = statistics(texts)
    for i, text in enumerate(texts):
        assert one(text) == {name: values[i] for name, values in together.items()}


def test_rarity_is_the_mean_of_bits_of_frequency():
    """Eight words: `the` four times, `key` twice; (c + 1) / (N + V)."""
    texts = pa.array(["The key: the", "THE key, (the) rare2 wörd", "", "..."], pa.large_string())
    table = rarity.empty()
    rarity.add(table, texts)
    assert sorted(table[table > 0].tolist()) == [1, 1, 2, 4]
    found = rarity.measure(table, texts)["rarity"]
    the, key, once = (np.log2(8 + rarity.SLOTS) - np.log2(count + 1) for count in (4, 2, 1))
    assert found.tolist() == pytest.approx([(2 * the + key) / 3, (2 * the + key + 2 * once) / 5, 0, 0], abs=1e-5)


def test_words_of_parts_add_up_and_are_read_back(tmp_path: Path):
    texts = pa.array(["one two", "two 轮换three"], pa.large_string())
    whole, parts = rarity.empty(), rarity.empty()
    rarity.add(whole, texts)
    for at in (1, 0):
        rarity.add(parts, texts[at : at + 1])
    rarity.write(parts, tmp_path / "unigrams.parquet")
    assert np.array_equal(rarity.read(tmp_path / "unigrams.parquet"), whole)
    assert whole.sum() == 6  # each Han code point is a word


def test_a_long_text_needs_nine_bytes_of_memory_a_byte():
    program = """
        import numpy as np, pyarrow as pa, re
        from pathlib import Path
        from tasks.curation.measures.statistics import statistics
        from tasks.dedup.words import hash_words

        def kilobytes(name):
            return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

        words = np.array(["bucket", "key", "the", "of", "policy", "storage", "e\u0301t\u00e9", "network", "acc\u00e8s"])
        random = np.random.default_rng(1)
        text = pa.array([" ".join(" ".join(random.choice(words, 50_000)) for _ in range(60))], pa.large_string())
        statistics(["e\u0301 a"]), hash_words(["e\u0301 a"])
        before = kilobytes("VmRSS")
        statistics(text), hash_words(text)
        print((kilobytes("VmHWM") - before) * 1024 / text.nbytes)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert float(found.stdout) <= 9
