"""What the benchmarks of curation rely on: CPU of whole process trees, exhaustive search, planted truth."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.curation.brute_force import best_twins, jaccard, shingle_sets, words
from benchmarks.curation.corpus import _make
from benchmarks.curation.measured import Command, measured
from tasks.corpus.document import read_documents

BURN = "import time\ndef burn():\n    end = time.process_time() + 0.8\n    while time.process_time() < end: pass\n"
FORK_SERVER = """
import multiprocessing, sys
sys.path.insert(0, sys.argv[1])
from burning import burn
if __name__ == "__main__":
    child = multiprocessing.get_context("forkserver").Process(target=burn)
    child.start()
    child.join()
"""


def test_cpu_of_a_child_that_nobody_waits_for_is_seen(tmp_path: Path) -> None:
    (tmp_path / "burning.py").write_text(BURN)
    (tmp_path / "main.py").write_text(FORK_SERVER)
    found = measured(Command([sys.executable, str(tmp_path / "main.py"), str(tmp_path)]), tmp_path / "log")
    assert 0.6 < found.cpu < 3
    assert found.wall >= 0.7
    assert 5 << 20 < found.peak < 1 << 30


def test_a_command_that_fails_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"ended with 3:\nno such luck"):
        measured(Command([sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"]), tmp_path / "log")


def test_words_by_their_definition() -> None:
    assert words("The caf\u0065\u0301's snake_case, 3.5 km") == ["the", "caf\u00e9", "s", "snake_case", "3", "5", "km"]
    assert words("日本語 とEnglish") == ["日", "本", "語", "と", "english"]


sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9).map(" ".join), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(sentences, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_search_for_twins_is_exhaustive(texts: list[str], threshold: float) -> None:
    sets = shingle_sets(texts)
    grams = [{tuple(t.split()[i : i + 5]) for i in range(max(1, len(t.split()) - 4))} for t in texts]
    asked, among = np.arange(0, len(texts), 2), np.arange(len(texts))
    twin, score = best_twins(sets, asked, among, threshold)
    for place, text in enumerate(asked.tolist()):
        truth = [len(grams[text] & own) / len(grams[text] | own) for own in grams]
        others = [truth[other] for other in range(len(texts)) if other != text and truth[other] >= threshold]
        assert score[place] == pytest.approx(max(others, default=0.0))
        assert (twin[place] >= 0) == bool(others)


def test_what_is_planted_is_as_the_truth_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vocabulary = ["".join(rng.choice(list("abcdefgh"), size=6)) for _ in range(900)]
    texts = [" ".join(rng.choice(vocabulary, size=120)) for _ in range(600)]
    columns = {"source": ["s"] * 600, "key": [str(n) for n in range(600)], "language": [""] * 600, "text": texts}
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        _make(pa.table(columns), folder, None)
    one, two = (read_documents(tmp_path / name / "documents") for name in ("one", "two"))
    assert one.equals(two)
    text_of = dict(zip(one["id"].to_pylist(), one["text"].to_pylist(), strict=True))
    held_out = pq.read_table(tmp_path / "one" / "held_out.parquet")
    left = dict(zip(held_out["id"].to_pylist(), held_out["text"].to_pylist(), strict=True))
    assert not set(left) & set(text_of)
    truth = pq.read_table(tmp_path / "one" / "truth.parquet").to_pylist()
    kinds = {row["kind"] for row in truth}
    assert kinds == {"exact", "near", "leak-verbatim", "leak-embedded", "leak-edited-2", "leak-edited-5", "boilerplate"}
    for row in truth:
        planted, origin = text_of[row["planted"]], {**text_of, **left}[row["of"]]
        sets = shingle_sets([planted, origin])
        assert row["jaccard"] == jaccard(sets.of(0), sets.of(1))
        match row["kind"]:
            case "exact" | "leak-verbatim":
                assert planted == origin
            case "leak-embedded":
                assert origin in planted
            case "near":
                assert 0.5 < row["jaccard"] < 1
            case "boilerplate":
                assert row["jaccard"] < 0.5
                assert planted.split()[:60] == origin.split()[:60]
