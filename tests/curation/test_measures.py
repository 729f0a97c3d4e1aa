"""Measures of texts whose figures can be counted by hand, and against slow definitions."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.measure import statistics

TEXTS = st.lists(st.text(alphabet=st.sampled_from("ab \n.#"), max_size=60), min_size=1, max_size=4)


def one(text: str) -> dict[str, float]:
    return {name: values[0] for name, values in statistics([text]).items()}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Größe is 4", "bytes", 12),
        ("Größe is 4", "characters", 10),
        ("The key must\u00a0rotate.", "words", 4),
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
        ("a.\nb:\nc\nd", "punctuated_lines", 0.5),
        ("x = {\n}\nfoo();\ntext", "code_lines", 0.75),
        ("short\n" + "long " * 9, "short_lines", 0.5),
        ("a\nb\nc d", "newline_ratio", 0.5),
        ("a\nb\na\na", "duplicate_lines", 0.5),
        ("aaa\nb\naaa", "duplicate_line_characters", 3 / 9),
        ("a\nb\n\nc\n\na\nb\n\nd", "duplicate_paragraphs", 0.25),
        ("a\nb\n\nc\n\na\nb\n\nd", "duplicate_paragraph_characters", 3 / 14),
        ("a b a b c", "top_2_gram", 6 / 9),
        ("a b c d", "top_2_gram", 0.0),
        ("a b c d e a b c d e", "duplicate_5_gram", 5 / 19),
        ("", "mean_word_length", 0.0),
    ],
)
def test_a_statistic(text: str, name: str, value: float):
    assert one(text)[name] == pytest.approx(value)


@given(TEXTS)
def test_repetition_equals_its_slow_definition(texts: list[str]):
    measured = statistics(texts)
    for i, text in enumerate(texts):
        words = text.split()
        for size in (2, 3, 4):
            places = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]
            counts = Counter(places)
            top = max(counts, key=lambda gram: counts[gram], default=())
            if counts[top] < 2:
                assert measured[f"top_{size}_gram"][i] == 0
            elif "  " not in text and "\n" not in text and " ." not in text:  # spans are joined by one space
                expected = counts[top] * len(" ".join(top)) / len(text)
                assert measured[f"top_{size}_gram"][i] == pytest.approx(expected)
        for size in (5, 10):
            seen, at, characters = set(), 0, 0
            while at + size <= len(words):
                gram = tuple(words[at : at + size])
                if gram in seen:
                    characters += sum(map(len, gram))
                    at += size
                else:
                    seen.add(gram)
                    at += 1
            assert measured[f"duplicate_{size}_gram"][i] == pytest.approx(characters / max(len(text), 1))


@given(TEXTS)
def test_a_text_is_measured_alike_alone_and_among_others(texts: list[str]):
    together = statistics(texts)
    for i, text in enumerate(texts):
        assert one(text) == {name: values[i] for name, values in together.items()}
