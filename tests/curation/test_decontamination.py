"""Held-out texts in select: what they are compared as, and by which of their fields they leak."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import DecontaminateConfig, SelectConfig
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.curation.decontamination import HeldOutTexts
from tasks.curation.fate import fate_of_text
from tasks.curation.stage import clean, measure, select
from tasks.runtime.artifact import RawCorpus

NO_RULES = SelectConfig.model_validate({"rules": (), "near_duplicates": None, "accept_losses": ("decontaminate",)})


def sentence(seed: int, count: int) -> str:
    return " ".join(f"w{n}" for n in np.random.default_rng(seed).integers(0, 5000, count))


def ticket(at: int) -> str:
    return f"{sentence(at, 9)} write to ann{at}@corpmail.io or +49 30 9018{20 + at} about {sentence(100 + at, 9)}"


@pytest.fixture
def leaking(run_stage: Any, raw: Any, labels: Any, lid_model: Any) -> Callable[..., set[int]]:
    """`leaking(texts, …)`: the numbers of the texts that leak; asked of each text as a file, too."""

    def run(
        texts: Sequence[str],
        *,
        edits: Sequence[dict[str, Any]] = (),
        test: Sequence[str] = ("no such text",),
        benchmarks: RawCorpus | None = None,
    ) -> set[int]:
        cleaned = run_stage(clean, CleanConfig.model_validate({"edits": edits}), raw(("docs", texts)))
        measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
        held_out = labels(test=test)
        corpus = run_stage(select, NO_RULES, cleaned, measured, held_out, benchmarks)
        ledger = pq.read_table(corpus.path / "ledger.parquet").to_pylist()
        dropped = {row["id"] for row in ledger if row["step"] == "decontaminate"}
        for at, text in enumerate(texts):
            judged = {"labels": held_out, "benchmarks": benchmarks, "source": "docs"}
            fate = fate_of_text(text, cleaned, measured, corpus, **judged)
            leaks = any("leak of" in line.text for line in fate.lines)
            assert leaks == (document_id("docs", str(at).encode()) in dropped)
        return {at for at in range(len(texts)) if document_id("docs", str(at).encode()) in dropped}

    return run


@pytest.fixture
def records(tmp_path: Path) -> Callable[..., RawCorpus]:
    """A benchmark `exam` of records of several columns, joined as ingest does."""

    def make(rows: Sequence[Sequence[str]], separator: str = "\n\n") -> RawCorpus:
        made = [
            {
                "id": document_id("exam", b"%d" % at),
                "source": "exam",
                "text": separator.join(fields),
                "metadata": json.dumps({"fields": [len(field) for field in fields], "file": "e.jsonl", "line": at + 1}),
            }
            for at, fields in enumerate(rows)
        ]
        write_documents(tmp_path / "exam" / "documents", document_table(made))
        return RawCorpus(node="ingest.benchmarks", fingerprint="exam", path=tmp_path / "exam")

    return make


@pytest.mark.parametrize("sources", [[], ["docs"], ["docs", "other"], ["other"]])
def test_leaks_are_found_with_personal_data_masked(leaking: Callable[..., set[int]], sources: list[str]):
    tickets = [ticket(at) for at in range(20)]
    embedded = [f"{sentence(200 + at, 60)}\n{text}\n{sentence(300 + at, 60)}" for at, text in enumerate(tickets)]
    others = [sentence(400 + at, 60) for at in range(20)]
    edits = [{"kind": "whitespace"}, {"kind": "pii", "sources": sources}]
    found = leaking([*tickets, *embedded, *others, ticket(50)], edits=edits, test=tickets)
    assert found == set(range(40))


def test_leaks_are_found_where_lines_or_markup_are_taken_out(leaking: Callable[..., set[int]]):
    texts = [f"<p>{sentence(at, 10)}.</p>\nmenu {at}\n<b>{sentence(50 + at, 12)}</b> and more." for at in range(5)]
    edits = [{"kind": "html"}, {"kind": "c4_lines"}]
    documents = [f"{sentence(100 + at, 60)}.\n{text}\n{sentence(200 + at, 60)}." for at, text in enumerate(texts)]
    assert leaking([*documents, f"{sentence(300, 60)}."], edits=edits, test=texts) == set(range(5))


def test_a_few_words_that_edits_leave_are_no_text(leaking: Callable[..., set[int]]):
    """14 words, of which the edit leaves a line of six."""
    texts = [f"Thank you for your time today.\n{sentence(1, 8)}"]
    edits = [{"kind": "c4_lines"}]
    assert leaking([f"{sentence(2, 60)}.\nThank you for your time today."], edits=edits, test=texts) == set()


def test_what_is_short_once_edited_is_found(leaking: Callable[..., set[int]]):
    """13 words with the parts of an address, ten with its placeholder."""
    text = "Please write to ann.doe@corpmail.io if this door does not open"
    assert leaking(["Nothing", f"{sentence(1, 30)} {text}"], edits=[{"kind": "pii"}], test=[text]) == {1}


def test_readings_of_equal_words_are_one(labels: Any):
    edits = CleanConfig.model_validate({"edits": [{"kind": "whitespace"}, {"kind": "pii", "sources": ["a"]}]}).edits
    held_out = HeldOutTexts.read(DecontaminateConfig(), edits, labels(validation=["one  text\r\n"], test=[ticket(1)]))
    assert held_out.first == [0, 1, 1]
    assert held_out.texts[:2] == ["one  text\r\n", ticket(1)]
    assert held_out.texts[2] == f"{sentence(1, 9)} write to <EMAIL> or <PHONE> about {sentence(101, 9)}"


def test_a_field_of_a_benchmark_leaks_by_itself(leaking: Callable[..., set[int]], records: Callable[..., RawCorpus]):
    """Of 186 runs of the record 36 are of question and answer; 'yes' and a field of 12 words are none."""
    passage, question, answer, short = sentence(1, 150), sentence(2, 30), sentence(3, 30), sentence(4, 12)
    exam = records([(passage, question, answer, short, "yes")])
    around = sentence(10, 200), sentence(11, 200)
    texts = [f"{around[0]} {field} {around[1]}" for field in (question, passage, f"{question} {answer}", short, "yes")]
    assert leaking(texts, benchmarks=exam) == {0, 1, 2}


@pytest.mark.parametrize("separator", ["\n\n", " ", "\nAnswer: "])
def test_fields_are_edited_as_the_corpus_is(
    leaking: Callable[..., set[int]], records: Callable[..., RawCorpus], separator: str
):
    exam = records([(sentence(1, 150), ticket(7), "naïve 👍 yes")], separator)
    assert leaking([f"{sentence(2, 60)} {ticket(7)}", sentence(3, 60)], edits=[{"kind": "pii"}], benchmarks=exam) == {0}


def test_a_field_that_most_records_share_is_a_notice(
    leaking: Callable[..., set[int]], records: Callable[..., RawCorpus]
):
    notice, questions = sentence(1, 100), [sentence(10 + at, 60) for at in range(40)]
    texts = [f"{notice} {sentence(2, 400)}", f"{sentence(3, 60)} {questions[9]}"]
    exam = records([*((notice, question) for question in questions), (sentence(4, 150), sentence(5, 60))])
    assert leaking(texts, benchmarks=exam) == {1}


def test_a_passage_of_many_questions_leaks_by_its_field(
    leaking: Callable[..., set[int]], records: Callable[..., RawCorpus]
):
    """It is boilerplate of the records, two fifths of which are their own, but a field of them."""
    passage, rest = sentence(1, 150), [(sentence(500 + at, 150), sentence(600 + at, 100)) for at in range(13)]
    exam = records([*((passage, sentence(10 + at, 100)) for at in range(12)), *rest])
    texts = [f"{sentence(2, 60)} {passage}", f"{sentence(3, 60)} {sentence(15, 100)}", sentence(4, 60)]
    assert leaking(texts, benchmarks=exam) == {0, 1}
