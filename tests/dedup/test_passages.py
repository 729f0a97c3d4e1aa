"""Repeated passages against brute force over tuples of words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.passages import Cut, Repeats, find_repeats
from tasks.dedup.words import hash_units

UNITS = regex.compile(
    r"(?V1)[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\S--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]]+"
)
TEXT = st.lists(st.sampled_from(["a", "b", "A", "b,", "é", "漢"]), max_size=25).flatmap(
    lambda words: st.lists(st.sampled_from([" ", "\n", "\u00a0\t"]), min_size=len(words), max_size=len(words)).map(
        lambda gaps: "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    )
)


def repeats(
    texts: list[str], order: list[int], size: int, rows: int = 100, memory: int = 1 << 20, minimum: int = 0
) -> Repeats:
    wanted = np.sort(np.array(order, np.int64))

    def read() -> Any:
        for start in range(0, len(wanted), rows):
            batch = wanted[start : start + rows]
            yield batch, pa.array([texts[row] for row in batch], pa.large_string())

    with TemporaryDirectory() as folder:
        return find_repeats(read, np.array(order, np.int64), len(texts), size, Path(folder), memory, minimum)


def brute_force(texts: list[str], order: list[int], size: int, minimum: int = 0) -> dict[int, list[tuple[int, int]]]:
    """Byte ranges to cut: windows as tuples of strings, the first place of each in a dictionary."""
    first: dict[tuple[str, ...], tuple[int, int]] = {}
    cuts: dict[int, list[tuple[int, int]]] = {}
    for rank, document in enumerate(order):
        text = texts[document]
        found = list(UNITS.finditer(text))
        starts = [len(text[: one.start()].encode()) for one in found] + [len(text.encode())]
        covered: set[int] = set()
        for place in range(len(found) - size + 1):
            window = tuple(one.group() for one in found[place : place + size])
            earlier = first.setdefault(window, (rank, place))
            if earlier[0] < rank or earlier[1] <= place - size:
                covered.update(range(place, place + size))
        ranges: list[tuple[int, int]] = []
        for unit in sorted(covered):
            if ranges and ranges[-1][1] == starts[unit]:
                ranges[-1] = (ranges[-1][0], starts[unit + 1])
            else:
                ranges.append((starts[unit], starts[unit + 1]))
        cuts[document] = [(start, stop) for start, stop in ranges if stop - start >= minimum]
    return cuts


@settings(deadline=None)
@given(
    st.lists(TEXT, max_size=8),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from([64, 4096, 1 << 20]),
    st.integers(0, 30),
    st.data(),
)
def test_cuts_equal_brute_force_whatever_the_batches_and_the_memory(texts, size, rows, memory, minimum, data):
    order = data.draw(st.permutations(range(len(texts))))[: data.draw(st.integers(0, len(texts)))]
    found = repeats(texts, order, size, rows, memory, minimum)
    assert {d: [(cut.start, cut.stop) for cut in found.cuts(d, texts[d])] for d in order} == brute_force(
        texts, order, size, minimum
    )


def numbers(first: int, last: int) -> str:
    return " ".join(f"word{i}" for i in range(first, last))


def test_a_passage_of_fifty_words_is_cut_at_the_borders_of_words_where_it_comes_again():
    passage = numbers(0, 60)
    texts = [f"before, {passage}, after", f"Another start\n{passage} then another end"]
    (cut,) = repeats(texts, [0, 1], 50).cuts(1, texts[1])
    data = texts[1].encode()
    # The last word has a comma in the first text.
    assert data[: cut.start] + data[cut.stop :] == b"Another start\nword59 then another end"
    assert cut.document == 0
    assert repeats(texts, [0, 1], 60).cuts(1, texts[1]) == []
    assert repeats(texts, [1, 0], 50).cuts(1, texts[1]) == []


def test_a_passage_must_reach_the_minimum_in_bytes_too():
    texts = ["one two three four. ", "zero one two three four. end"]
    for minimum, expected in ((20, [Cut(5, 25, 0)]), (21, [])):  # "one two three four. ": 20 bytes with the last space
        assert repeats(texts, [0, 1], 3, minimum=minimum).cuts(1, texts[1]) == expected
    texts = ["漢字仮名", "x漢字仮名"]  # 3 bytes each
    assert repeats(texts, [0, 1], 4, minimum=12).cuts(1, texts[1]) == [Cut(1, 13, 0)]
    assert repeats(texts, [0, 1], 4, minimum=13).cuts(1, texts[1]) == []


def test_of_a_word_said_again_and_again_the_first_fifty_stay():
    text = "ha " * 200
    assert repeats([text], [0], 50).cuts(0, text) == [Cut(150, 600, 0)]


def test_the_text_where_it_came_first_is_named():
    texts = [numbers(0, 30), numbers(100, 200), f"{numbers(120, 180)} {numbers(0, 30)}"]
    assert [cut.document for cut in repeats(texts, [1, 0, 2], 20).cuts(2, texts[2])] == [1]
    apart = f"{numbers(120, 180)} and {numbers(0, 30)}"
    assert [cut.document for cut in repeats([*texts[:2], apart], [1, 0, 2], 20).cuts(2, apart)] == [1, 0]


def test_units_are_what_stands_between_white_space_and_each_han_character():
    words, starts = hash_units(["The end, the end.\u00a0漢字x ", ""])
    assert words.counts.tolist() == [7, 0]
    assert starts.tolist() == [0, 4, 9, 13, 19, 22, 25]
    assert len(set(words.hashes.tolist())) == 7
