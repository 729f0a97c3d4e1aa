"""The line rules of C4, and lines that repeat across documents: what goes, what must stay, and how it is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_config.clean import C4LinesConfig, CleanConfig, RepeatedLinesConfig
from tasks.corpus.account import Account
from tasks.corpus.document import read_documents
from tasks.curation import line_frequencies
from tasks.curation.editing import apply
from tasks.curation.edits import repeated_lines
from tasks.curation.edits.edited import Edited
from tasks.curation.stage import clean


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Three words here.", "Three words here."),
        ("  Stripped at both ends!  ", "Stripped at both ends!"),
        ('He said "so it is"', 'He said "so it is"'),
        ("Is it kept?", "Is it kept?"),
        ("Two words.", None),
        ("A heading without an end", None),
        ("It goes on and on...", None),
        ("Please enable JavaScript to continue.", None),
        ("Read our Privacy Policy before you go.", None),
        ("This site uses cookies for your comfort.", None),
        ("A cited fact[12] stands here.[citation needed]", "A cited fact stands here."),
        ("a " + "x" * 1001 + " long word.", None),
        ("a " + "x" * 999 + ". long word.", "a " + "x" * 999 + ". long word."),
        ("“Typographic quotes end no line of C4”", None),
    ],
)
def test_c4_keeps_a_line_or_drops_it(line: str, kept: str | None) -> None:
    edited = apply(C4LinesConfig(kind="c4_lines"), f"First sentence of it.\n\n{line}\nLast sentence of it.")
    middle = [] if kept is None else [kept]
    assert edited.text.split("\n") == ["First sentence of it.", *middle, "Last sentence of it."]


def test_c4_says_why_and_counts() -> None:
    edited = apply(
        C4LinesConfig(kind="c4_lines", min_words=5), "Only four words here.\nmenu\nThese are just five words."
    )
    assert edited.text == "These are just five words."
    assert edited.reason == "lines dropped: no terminal punctuation, under 5 words"
    assert (edited.cut, edited.inserted) == (len("Only four words here.\nmenu\n"), 0)
    assert apply(C4LinesConfig(kind="c4_lines"), "One clean sentence.") == Edited("One clean sentence.")


# --- how often lines stand ---


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, (1 << 64) - 1),
            st.sets(st.sampled_from([0, 1, 2, 1 << 63, (1 << 64) - 1, 1 << 32, 77]), max_size=5),
        ),
        max_size=20,
    ),
    st.integers(1, 4),
    st.integers(1, 6),
)
def test_counts_are_those_of_a_counter_whatever_fits_in_memory(
    tmp_path_factory: Any, documents: list[tuple[int, set[int]]], least: int, run_keys: int
) -> None:
    counts = Counter(key for _, keys in documents for key in keys)
    expected = {key: count for key, count in counts.items() if count >= least}
    for given_order in (documents, documents[::-1]):
        found = line_frequencies.fit(given_order, least, tmp_path_factory.mktemp("runs"), run_keys)
        assert dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == expected
        assert found.keys.tolist() == sorted(expected)
        firsts = [min(text for text, keys in documents if key in keys) for key in sorted(expected)]
        assert found.firsts.tolist() == firsts
    for key in (0, 5, 1 << 63, (1 << 64) - 1):
        at = found.place(key)
        assert (0 if at is None else found.counts[at]) == expected.get(key, 0)


def test_what_was_fitted_is_read_back(tmp_path: Path) -> None:
    one = line_frequencies.Frequencies(
        np.array([3, 1 << 63], np.uint64), np.array([10, 12], np.int64), np.array([5, 1 << 63], np.uint64)
    )
    other = line_frequencies.Frequencies(np.array([4], np.uint64), np.array([99], np.int64), np.array([6], np.uint64))
    line_frequencies.write(tmp_path / "f.parquet", {2: one, 0: other})
    found = line_frequencies.read(tmp_path / "f.parquet")
    assert sorted(found) == [0, 2]
    assert found[2].keys.tolist() == [3, 1 << 63]
    assert found[0].counts.tolist() == [99]
    assert found[2].firsts.tolist() == [5, 1 << 63]


# --- what goes ---

NOTICE = "Subscribe to our newsletter for more"
TEXT = "Body text of it, with more words.\nMore body text."
BODY = [f"Sentence number {n} of a body that is long enough to be worth keeping." for n in range(30)]


def config(**options: Any) -> RepeatedLinesConfig:
    return RepeatedLinesConfig.model_validate({"kind": "repeated_lines", "report_only": False, **options})


def fitted(edit: RepeatedLinesConfig, texts: list[str], folder: Path) -> line_frequencies.Frequencies:
    folder.mkdir(exist_ok=True)
    return line_frequencies.fit((repeated_lines.keys(text, edit, "s") for text in texts), edit.min_documents, folder)


@pytest.mark.parametrize(
    ("options", "text", "after"),
    [
        (
            {},
            f"{NOTICE}\n{TEXT}",
            TEXT,
        ),
        (
            {},
            f"{TEXT}\n  {NOTICE}  ",
            TEXT,
        ),
        ({"min_documents": 11}, f"{NOTICE}\n{TEXT}", None),
        ({"min_words": 7}, f"{NOTICE}\n{TEXT}", None),
        ({"max_share": 0.8}, f"{NOTICE}\nBody.", None),
        ({"max_share": 1}, f"{NOTICE}\nBody.", "Body."),
        ({"edges": 2}, "\n".join([*BODY[:5], NOTICE, *BODY[5:]]), None),
        ({"edges": 0}, "\n".join([*BODY[:5], NOTICE, *BODY[5:]]), "\n".join(BODY)),
        ({"unit": "paragraph"}, f"{NOTICE}\n\n{BODY[0]}", BODY[0]),
        ({"unit": "paragraph"}, f"{NOTICE}\nBody text of it, with more words.", None),
        ({"report_only": True}, f"{NOTICE}\n{TEXT}", None),
    ],
)
def test_a_repeated_line_goes_unless_guarded(
    tmp_path: Path, options: dict[str, Any], text: str, after: str | None
) -> None:
    edit = config(**options)
    frequencies = fitted(edit, [NOTICE] * 10, tmp_path / "runs")
    edited = apply(edit, text, "s", frequencies)
    assert edited.text == (text if after is None else after)
    assert len(text.encode()) - edited.cut + edited.inserted == len(edited.text.encode())
    if edit.report_only:
        assert edited.reason == f"report only, 36 bytes: 1 lines in 10 documents or more, such as {NOTICE!r}"
    assert apply(edit, text, "another source", frequencies).text == text


def test_one_document_keeps_its_first_of_a_line_that_repeats(tmp_path: Path) -> None:
    """Whatever the order of the documents; in the others, and further down in its own, the line goes."""
    texts = [f"{NOTICE}\n{BODY[n]}\n{BODY[n + 1]}\n{NOTICE}\n{BODY[n + 2]}" for n in range(10)]
    without = ["\n".join(BODY[n : n + 3]) for n in range(10)]
    found = []
    for name, order in (("runs", texts), ("backwards", texts[::-1])):
        edit = config(max_share=1)
        frequencies = fitted(edit, order, tmp_path / name)
        found.append([apply(edit, text, "s", frequencies).text for text in texts])
    assert found[0] == found[1]
    holder = [at for at in range(10) if found[0][at] != without[at]]
    assert [found[0][at] for at in holder] == [f"{NOTICE}\n{without[at]}" for at in holder]
    assert len(holder) == 1
    none = config(max_share=1, keep="none")
    assert [apply(none, text, "s", frequencies).text for text in texts] == without


@pytest.mark.parametrize("keep", ["first", "none"])
def test_a_corpus_loses_its_notices_and_tells_so(run_stage: Any, raw: Any, keep: str) -> None:
    def pages(notice: str) -> list[str]:
        return [f"<p>{notice}</p><p>Page {n} says {n * n} and that is all there is to it.</p>" for n in range(12)]

    edits = [{"kind": "html"}, {"kind": "repeated_lines", "report_only": False, "keep": keep}, {"kind": "whitespace"}]
    settings = CleanConfig.model_validate({"edits": edits})
    sources = ("web", pages(NOTICE)), ("notes", pages("Only said in eight or nine notes")[:9])
    artifact = run_stage(clean, settings, raw(*sources))
    again = run_stage(clean, settings, raw(*sources, backwards=True))
    assert artifact.digest == again.digest
    texts = {row["text"]: row["source"] for row in read_documents(artifact.path / "documents").to_pylist()}
    assert sum(text.startswith("Page") for text in texts) == (11 if keep == "first" else 12)
    assert texts["Only said in eight or nine notes\n\nPage 3 says 9 and that is all there is to it."] == "notes"
    left = [text for text in texts if NOTICE in text]
    assert len(left) == (keep == "first")
    Account(**artifact.metrics["account"]).check()
    assert artifact.metrics["edits"][1]["cut"] == (12 - len(left)) * len(f"{NOTICE}\n")
    fitted_rows = pq.read_table(artifact.path / "line_frequencies.parquet").to_pylist()
    assert [(row["position"], row["documents"]) for row in fitted_rows] == [(1, 12)]
