"""Repeated passages: the guarantee, on the texts as they were and as they are left; and cases by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.passages import Cut, find_cuts
from tasks.dedup.words import hash_units

UNITS = regex.compile(
    r"(?V1)[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\S--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]]+"
)
TEXT = st.lists(st.sampled_from(["a", "b", "A", "b,", "é", "漢"]), max_size=25).flatmap(
    lambda words: st.lists(st.sampled_from([" ", "\n", "\u00a0\t"]), min_size=len(words), max_size=len(words)).map(
        lambda gaps: "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    )
)

PHRASE = st.lists(st.sampled_from(["a", "b", "c", "d", "é", "漢"]), min_size=1, max_size=4)


@st.composite
def of_phrases(draw: st.DrawFn) -> list[str]:
    """Texts of a few phrases, so that parts of passages come again in other company."""
    phrases = draw(st.lists(PHRASE, min_size=1, max_size=5))
    texts = draw(st.lists(st.lists(st.sampled_from(phrases), max_size=6), min_size=1, max_size=6))
    return [" ".join(word for phrase in text for word in phrase) for text in texts]


def cuts_of(
    texts: list[str], order: list[int], size: int, rows: int = 100, memory: int = 1 << 20, minimum: int = 0
) -> dict[int, list[Cut]]:
    wanted = np.sort(np.array(order, np.int64))

    def read() -> Any:
        for start in range(0, len(wanted), rows):
            batch = wanted[start : start + rows]
            yield batch, pa.array([texts[row] for row in batch], pa.large_string())

    with TemporaryDirectory() as folder:
        return find_cuts(read, np.array(order, np.int64), len(texts), size, Path(folder), memory, minimum)


class Told:
    """A text as units, and which of them are cut, by nothing but the bytes of its cuts."""

    def __init__(self, text: str, cuts: list[Cut]) -> None:
        self.units = [one.group() for one in UNITS.finditer(text)]
        self.starts = [len(text[: one.start()].encode()) for one in UNITS.finditer(text)] + [len(text.encode())]
        self.cut = [any(cut.start <= start < cut.stop for cut in cuts) for start in self.starts[:-1]]
        assert all(cut.start in self.starts[:-1] and cut.stop in self.starts for cut in cuts), "a cut ends in a unit"
        assert all(one.stop <= other.start for one, other in pairwise(cuts)), "cuts overlap, or are out of order"

    def stays(self, words: list[str], end: int | None = None) -> bool:
        """Whether `words` stand in what stays, before unit `end`, in sequence and with nothing cut between them."""
        last = (len(self.units) if end is None else end) - len(words)
        return any(
            self.units[at : at + len(words)] == words and not any(self.cut[at : at + len(words)])
            for at in range(last + 1)
        )

    def stretches(self, inside: list[bool]) -> list[tuple[int, int]]:
        """(first unit, unit behind the last) of what is `inside` without a gap."""
        borders = [at for at, (a, b) in enumerate(pairwise([False, *inside, False])) if a != b]
        return list(zip(borders[::2], borders[1::2], strict=True))

    def size(self, first: int, behind: int) -> int:
        return self.starts[behind] - self.starts[first]


def check(texts: list[str], order: list[int], size: int, minimum: int, cuts: dict[int, list[Cut]]) -> None:
    """The guarantee, of the texts as they were and as they are left; nothing here finds out what to cut."""
    assert set(cuts) <= set(order)
    told = {document: Told(texts[document], cuts.get(document, [])) for document in order}
    for rank, document in enumerate(order):
        own, earlier = told[document], [told[other] for other in order[:rank]]
        for cut in cuts.get(document, []):
            passage = own.units[own.starts.index(cut.start) : own.starts.index(cut.stop)]
            assert cut.document in order[: rank + 1]
            assert told[cut.document].stays(passage), "it does not stand whole where it is said to stay"
        repeats, again = [False] * len(own.units), [False] * len(own.units)
        for at in range(len(own.units) - size + 1):
            window = own.units[at : at + size]
            if any(other.stays(window) for other in earlier):
                repeats[at : at + size] = [True] * size
            if own.stays(window, at):
                again[at : at + size] = [True] * size
        for first, behind in own.stretches(repeats):
            if own.size(first, behind) >= minimum:
                assert all(own.cut[first:behind]), "what repeats an earlier text is left"
        if not minimum:
            assert not any(one and not cut for one, cut in zip(again, own.cut, strict=True)), "left twice in one text"
        for first, behind in own.stretches(own.cut):
            assert own.size(first, behind) >= max(minimum, 1)
            assert behind - first >= size
            assert all(one or other for one, other in zip(repeats[first:behind], again[first:behind], strict=True))


@settings(deadline=None)
@given(
    st.one_of(st.lists(TEXT, max_size=8), of_phrases()),
    st.integers(1, 6),
    st.one_of(st.just(0), st.integers(1, 30)),
    st.data(),
)
def test_what_is_cut_stays_whole_elsewhere_and_what_repeats_is_cut(texts, size, minimum, data):
    order = data.draw(st.permutations(range(len(texts))))[: data.draw(st.integers(0, len(texts)))]
    check(texts, order, size, minimum, cuts_of(texts, order, size, minimum=minimum))


@settings(deadline=None)
@given(st.lists(TEXT, max_size=8), st.integers(1, 4), st.integers(1, 4), st.sampled_from([64, 4096]))
def test_batches_and_memory_change_nothing(texts, size, rows, memory):
    order = list(range(len(texts)))[::-1]
    assert cuts_of(texts, order, size, rows, memory) == cuts_of(texts, order, size)


def numbers(first: int, last: int) -> str:
    return " ".join(f"word{i}" for i in range(first, last))


def test_a_passage_of_fifty_words_is_cut_at_the_borders_of_words_where_it_comes_again():
    passage = numbers(0, 60)
    texts = [f"before, {passage}, after", f"Another start\n{passage} then another end"]
    (cut,) = cuts_of(texts, [0, 1], 50).get(1, [])
    data = texts[1].encode()
    # The last word has a comma in the first text.
    assert data[: cut.start] + data[cut.stop :] == b"Another start\nword59 then another end"
    assert cut.document == 0
    assert cuts_of(texts, [0, 1], 60).get(1, []) == []
    assert cuts_of(texts, [1, 0], 50).get(1, []) == []


def test_a_passage_must_reach_the_minimum_in_bytes_too():
    texts = ["one two three four. ", "zero one two three four. end"]
    for minimum, expected in ((20, [Cut(5, 25, 0)]), (21, [])):  # "one two three four. ": 20 bytes with the last space
        assert cuts_of(texts, [0, 1], 3, minimum=minimum).get(1, []) == expected
    texts = ["漢字仮名", "x漢字仮名"]  # 3 bytes each
    assert cuts_of(texts, [0, 1], 4, minimum=12).get(1, []) == [Cut(1, 13, 0)]
    assert cuts_of(texts, [0, 1], 4, minimum=13).get(1, []) == []


def test_of_a_word_said_again_and_again_the_first_fifty_stay():
    text = "ha " * 170
    # Each cut is no longer than what stays.
    assert cuts_of([text], [0], 50)[0] == [Cut(150, 300, 0), Cut(300, 450, 0), Cut(450, 510, 0)]


def test_a_passage_that_lies_across_two_texts_names_both():
    texts = [numbers(0, 30), numbers(100, 200), f"{numbers(120, 180)} {numbers(0, 30)}"]
    border = len(numbers(120, 180)) + 1
    assert cuts_of(texts, [1, 0, 2], 20)[2] == [Cut(0, border, 1), Cut(border, len(texts[2]), 0)]
    apart = f"{numbers(120, 180)} and {numbers(0, 30)}"
    assert [cut.document for cut in cuts_of([*texts[:2], apart], [1, 0, 2], 20)[2]] == [1, 0]


def test_what_is_cut_itself_is_no_source():
    """The second text holds c and d in sequence first, but c goes from it: the third one keeps them."""
    texts = ["a b c", "x a b c d", "c d e", "y c d"]
    assert cuts_of(texts, [0, 1, 2, 3], 2) == {1: [Cut(2, 8, 0)], 3: [Cut(2, 5, 2)]}
    assert cuts_of(["a b", "a b c x b c"], [0, 1], 2) == {1: [Cut(0, 4, 0)]}


def test_what_adjoins_after_a_cut_is_no_passage():
    texts = ["p q r s", "a p q r s b", "a b c"]
    assert cuts_of(texts, [0, 1, 2], 2) == {1: [Cut(2, 10, 0)]}


def test_units_are_what_stands_between_white_space_and_each_han_character():
    words, starts = hash_units(["The end, the end.\u00a0漢字x ", ""])
    assert words.counts.tolist() == [7, 0]
    assert starts.tolist() == [0, 4, 9, 13, 19, 22, 25]
    assert len(set(words.hashes.tolist())) == 7
