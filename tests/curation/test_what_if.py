"""What-if says what select would do; names, lists and the guard of select."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.figures import main_figure
from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.rule_presets import steps
from pipeline_config.selection import SelectConfig
from tasks.comparison.corpora import Place, movements
from tasks.corpus.account import Account
from tasks.corpus.document import document_id, read_documents, reference
from tasks.curation import what_if as what_if_module
from tasks.curation.fate import tell_fate
from tasks.curation.losses import FEW, losses
from tasks.curation.stage import clean, measure, select
from tasks.curation.what_if import WhatIf, what_if
from tasks.runtime.errors import RefusedInput, StageFailed

WORDS = ["the", "of", "and", "to", "with", "bucket", "key", "policy", "role", "access", "log", "network", "rule", "is"]


def sentence(seed: int, count: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count)).capitalize() + "."


def edited(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = f"changed{place}"
    return " ".join(words)


LEAK, LONG = sentence(500, 60), sentence(600, 100)
DOCS = [
    *[sentence(seed, 8 + 4 * seed) for seed in range(10)],  # 8, 12, … 44 words
    f"{sentence(501, 30)} {LEAK}",  # 10: holds a held-out text
    f"{LEAK} Lorem ipsum.",  # 11: likewise, but a rule takes it first
    LONG,  # 12
    edited(LONG, 50),  # 13: J = 91/101
    edited(LONG, 20, 80),  # 14: J = 86/106 with 12
    LONG,  # 15
    f"{LONG} {LONG}",  # 16
    f"Lorem ipsum {LONG}",  # 17: nearly 12, and longer
]
BASE: dict[str, Any] = {"rules": [{"kind": "word_count", "minimum": 14}, {"kind": "lorem_ipsum"}]}


def of(at: int) -> str:
    return reference(document_id("docs", str(at).encode()))


@pytest.fixture
def made(run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any) -> SimpleNamespace:
    """Everything before the selection, and `select(config)`."""
    found = SimpleNamespace(raw=raw(("docs", DOCS)), labels=labels(test=[LEAK]))
    found.clean = run_stage(clean, CleanConfig(edits=()), found.raw)
    found.measures = run_stage(measure, MeasureConfig(), found.clean, lid_model)

    def selected(config: dict[str, Any]) -> Any:
        return run_stage(select, SelectConfig.model_validate(config), found.clean, found.measures, found.labels)

    found.select = selected
    return found


def asked(made: SimpleNamespace, config: dict[str, Any], before: Any, samples: int) -> WhatIf:
    wanted = SelectConfig.model_validate(config)
    with TemporaryDirectory() as scratch:
        artifacts = made.clean, made.measures, made.labels, before, None
        return what_if(wanted, steps(wanted.rules), *artifacts, Path(scratch), samples=samples)


CHANGES: list[dict[str, Any]] = [
    {},
    {"rules": [{"kind": "word_count", "minimum": 25}, {"kind": "lorem_ipsum"}]},
    {"rules": [{"kind": "word_count", "minimum": 3}]},  # 11 leaks now; 17 displaces 12
    {"rules": [{"kind": "lorem_ipsum"}, {"kind": "word_count", "minimum": 70, "report_only": True}]},
    {"near_duplicates": {"threshold": 0.95}},
    {"near_duplicates": {"bands": 28, "threshold": 0.95}, "exact_duplicates": False},
    {"near_duplicates": None},
    {"decontaminate": {"ngram_size": 90, "min_words": 80}},  # the held-out text is too short for it
    {"drop": [of(12)], "keep": [of(0), of(11), of(14)]},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_it_says_what_select_does(made: SimpleNamespace, change: dict[str, Any]) -> None:
    config = {**BASE, **change}
    before, after = made.select(BASE), made.select(config)
    found = asked(made, config, before, samples=len(DOCS))
    moved = movements(*(Place(one.path, made.clean.path) for one in (before, after))).moved
    names = dict(
        zip(("kept to dropped", "dropped to kept", "dropped by another rule"), what_if_module.MOVES, strict=True)
    )
    expected = Counter((names[one.move], one.document, one.step, one.reason, one.value, one.threshold) for one in moved)
    shown = Counter(
        (move, one.document, one.step, one.reason, one.value, one.threshold)
        for move, samples in found.samples.items()
        for one in samples
    )
    assert shown == expected
    assert bool(moved) == bool(change)
    for side, corpus in (("before", before), ("after", after)):
        account = corpus.metrics["account"]
        assert found.kept[side] == {"documents": account["documents_kept"], "bytes": account["bytes_kept"]}
        steps = {row["step"]: row for row in found.steps if row["first"][side]}
        assert {name: row["first"][side]["documents"] for name, row in steps.items()} == {
            row["step"]: row["documents"] for row in corpus.metrics["steps"]
        }
        assert {name: row["alone"][side] for name, row in steps.items()} == {
            row["step"]: row.get("alone") for row in corpus.metrics["steps"]
        }
    gained = found.moves["dropped to kept"]["bytes"] - found.moves["kept to dropped"]["bytes"]
    assert found.kept["after"]["bytes"] - found.kept["before"]["bytes"] == gained


def test_known_leaks_are_not_looked_for_again(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the texts only that of document 11, which a rule took before, is compared with held-out ones."""
    from tasks.curation import decontamination

    compared: list[str] = []
    find = decontamination.find_leaks

    def counted(index: Any, texts: Any, **more: Any) -> Any:
        compared.extend(texts.to_pylist())
        return find(index, texts, **more)

    before = made.select(BASE)
    monkeypatch.setattr(decontamination, "find_leaks", counted)
    found = asked(made, {"rules": [{"kind": "word_count", "minimum": 14}]}, before, samples=9)
    assert sorted(compared) == sorted([DOCS[11], DOCS[17]])
    (leak,) = [one for one in found.samples["dropped by another step"] if one.document == of(11)]
    assert (leak.step, leak.reason, leak.excerpt) == (
        "decontaminate",
        "leak: holds n-grams of a test text",
        DOCS[11][:400],
    )


def test_samples_take_every_step_in_turn(made: SimpleNamespace) -> None:
    before = made.select({**BASE, "near_duplicates": None})
    config = {"rules": [{"kind": "word_count", "minimum": 40}, BASE["rules"][1]]}
    found = asked(made, config, before, samples=2)
    assert {one.step for one in found.samples["kept to dropped"]} == {"word_count", "near"}
    assert found.moves["kept to dropped"]["by_step"]["word_count"] > 2


def test_it_answers_up_to_the_passages_that_are_cut(made: SimpleNamespace) -> None:
    """Of 13 all but a word stands in 12, of 15 all; 60 words of 10 and 11 are the same."""
    cut = {"repeated_passages": {"min_words": 20, "report_only": False}}
    whole = {**BASE, "near_duplicates": None, "exact_duplicates": False}
    before, change = made.select({**whole, **cut}), {"rules": [{"kind": "word_count", "minimum": 40}]}
    assert before.metrics["account"]["bytes_cut"] > 0
    assert before.metrics["steps"][-1]["documents"] > 0
    found, expected = (
        asked(made, {**whole, **more, **change}, one, samples=len(DOCS))
        for more, one in ((cut, before), ({}, made.select(whole)))
    )
    assert found == replace(expected, left_out=["repeated_passages"])
    assert found.moves["kept to dropped"]["documents"] > 0
    with pytest.raises(RefusedInput, match=r"repeated_passages looks into texts"):
        asked(made, whole, before, samples=1)


# --- lists ---


def fates(corpus: Any) -> dict[str, tuple[str, str | None]]:
    rows = pq.read_table(corpus.path / "ledger.parquet").to_pylist()
    return {reference(row["id"]): (row["decision"], row["step"]) for row in rows}


def test_listed_documents_stay_or_go(made: SimpleNamespace) -> None:
    missing = "doc:" + "0" * 32
    corpus = made.select({**BASE, "keep": [of(0), of(10), of(13), of(14), missing], "drop": [of(0), of(9)]})
    found = fates(corpus)
    assert found[of(0)] == ("dropped", "drop"), "drop wins over keep"
    assert found[of(9)] == ("dropped", "drop")
    assert found[of(10)] == ("dropped", "decontaminate"), "no list lets a held-out text in"
    assert found[of(13)] == found[of(14)] == ("kept", "keep"), "near one another, and both stay"
    assert found[of(12)] == found[of(15)] == ("dropped", "near"), "what is listed comes first in the order"
    assert found[of(16)] == ("dropped", "near"), "although it is longer (J = 91/105 with 13)"
    Account(**corpus.metrics["account"]).check()
    assert corpus.metrics["listed"] == {
        "drop": {"listed": 2, "found": 2, "same_text": 0, "near": 0, "twins": []},
        "keep": {"listed": 5, "found": 4},
    }
    taken = sum(step["documents"] for step in corpus.metrics["steps"])
    assert taken == corpus.metrics["account"]["documents_dropped"]
    kept = fates(made.select({**BASE, "keep": [of(0)]}))
    assert kept[of(0)] == ("kept", "keep"), "no rule takes what is listed"


def test_a_document_is_compared_with_every_listed_one(made: SimpleNamespace) -> None:
    """12 and 13 are near one another and stay; 14 is near 12 alone (J = 86/106, with 13 81/111), 15 is its copy."""
    corpus = made.select({**BASE, "keep": [of(12), of(13)]})
    rows = {reference(row["id"]): row for row in pq.read_table(corpus.path / "ledger.parquet").to_pylist()}
    assert [rows[of(at)]["step"] for at in (12, 13, 14, 15)] == ["keep", "keep", "near", "exact"]
    assert {reference(rows[of(at)]["matched_id"]) for at in (14, 15)} == {of(12)}


@pytest.mark.parametrize("near", [{"threshold": 0.8}, None], ids=str)
def test_a_text_that_is_taken_down_does_not_come_in_by_a_copy(made: SimpleNamespace, near: dict[str, Any]) -> None:
    """15 has the text of 12; of what is near 12 (13, 14, 16) that which stays is named, be it all."""
    missing = "doc:" + "0" * 32
    corpus = made.select({**BASE, "drop": [of(12), missing], "keep": [of(15)], "near_duplicates": near})
    rows = {reference(row["id"]): row for row in pq.read_table(corpus.path / "ledger.parquet").to_pylist()}
    assert rows[of(12)]["reason"] == "listed in select.drop"
    copy = rows[of(15)]
    assert (copy["decision"], copy["step"], reference(copy["matched_id"])) == ("dropped", "drop", of(12))
    assert not any(text == LONG for text in read_documents(corpus.path / "documents")["text"].to_pylist())
    listed, step = corpus.metrics["listed"]["drop"], corpus.metrics["steps"][0]
    assert (step["step"], step["documents"], step["bytes"]) == ("drop", 2, 2 * len(LONG))
    assert (listed["listed"], listed["found"], listed["same_text"]) == (2, 1, 1)
    likes = {of(16): 96 / 100, of(13): 91 / 101, of(14): 86 / 106}
    named = [of(16), of(14)] if near else list(likes)  # 14 is not near 16 (J = 86/110)
    assert [rows[one]["decision"] for one in named] == ["kept"] * len(named)
    assert listed["twins"] == [{"document": one, "like": of(12), "jaccard": likes[one]} for one in named]
    assert listed["near"] == len(named)
    card = (corpus.path / "card.md").read_text()
    assert f"Kept documents that are near-duplicates of listed ones: {len(named)} (`{of(16)}`, " in card
    assert main_figure(corpus).endswith(
        f"; 1 of 2 ids in select.drop are of no document; {len(named)} near-duplicates of what select.drop lists stay "
        "(see the card)"
    )
    folders = [one.path for one in (made.raw, made.clean, made.measures, corpus)]
    told = tell_fate(of(15), *folders, seen_before=lambda _: (["pretrain/12ab"], ""))
    assert told["lines"][-2] == f" select   dropped: same text as one listed in select.drop, {of(12)}"
    assert told["seen_by"] == ["pretrain/12ab"]


def test_the_fate_of_listed_documents(made: SimpleNamespace) -> None:
    corpus = made.select({**BASE, "keep": [of(0)], "drop": [of(9)]})
    folders = [one.path for one in (made.raw, made.clean, made.measures, corpus)]
    asked: list[bytes] = []

    def taken_down(document: bytes) -> tuple[list[str], str]:
        asked.append(document)
        return ["pretrain/12ab"], "of earlier corpora"

    told = tell_fate(of(9), *folders, seen_before=taken_down)
    assert told["lines"][-2:] == [
        " select   dropped: listed in select.drop",
        " seen by  pretrain/12ab (of earlier corpora)",
    ]
    assert tell_fate(of(0), *folders)["lines"][-2] == " select   kept: listed in select.keep"
    assert tell_fate(of(1), *folders, seen_before=taken_down)["seen_by"] == []
    assert asked == [document_id("docs", b"9")]


# --- the guard ---


def guard(taken: int, of_documents: int, *, size: int = 1, sources: str = "a", cut: int = 0) -> list[str]:
    """The first `taken` documents fall, of others `cut` bytes; the first has `size` bytes, the others one; a letter a
    document's source."""
    names = sorted(set(sources))
    codes = np.array([names.index(sources[at % len(sources)]) for at in range(of_documents)])
    sizes = np.ones(of_documents, np.int64)
    sizes[0] = size
    return losses("rule", np.arange(of_documents) < taken, sizes, codes, names, np.full(of_documents, cut))


def test_the_guard_speaks_beyond_half_and_nine_tenths() -> None:
    assert guard(20, 40) == []
    assert guard(21, 40) == ["rule takes 21 of 40 documents (52%)", "rule takes 21 of 40 bytes (52%)"]
    assert guard(1, 40, size=39) == []
    assert guard(1, 40, size=40) == ["rule takes 40 of 79 bytes (51%)"]
    assert guard(18, 60, sources="a" * 20 + "b" * 40) == []
    assert guard(19, 60, sources="a" * 20 + "b" * 40) == ["rule takes 19 of the 20 documents of source 'a' (95%)"]
    assert guard(20, 80, sources="ab", cut=1) == [
        "rule takes 80 of 80 bytes (100%)",
        "rule takes 40 of the 40 bytes of source 'a' (100%)",
        "rule takes 40 of the 40 bytes of source 'b' (100%)",
    ]
    assert guard(FEW - 1, FEW - 1) == [], "of a few documents a share says little"
    assert guard(FEW - 1, 60, sources="a" * (FEW - 1) + "b" * 41) == []


def test_a_step_that_takes_most_stops_the_stage_unless_it_is_accepted(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
) -> None:
    corpus = raw(("docs", [f"{sentence(seed, 30)}" for seed in range(20)]), ("tips", ["two words"] * 20))
    cleaned = run_stage(clean, CleanConfig(edits=()), corpus)
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    rules = [{"kind": "word_count", "minimum": 3}]

    def selected(**more: Any) -> Any:
        config = SelectConfig.model_validate({"rules": rules, **more})
        return run_stage(select, config, cleaned, measured, labels())

    with pytest.raises(StageFailed) as refused:
        selected()
    assert "word_count takes 20 of the 20 documents of source 'tips' (100%)" in str(refused.value)
    assert "select.accept_losses=[word_count]" in str(refused.value)
    assert selected(accept_losses=["word_count"]).metrics["account"]["documents_kept"] == 20
    with pytest.raises(StageFailed, match=r"exact takes 19 of the 20 documents of source 'tips' \(95%\)"):
        selected(rules=[])
    assert selected(rules=[], accept_losses=["exact"]).metrics["account"]["documents_kept"] == 21


def test_what_is_cut_out_of_documents_that_stay_counts_for_the_guard(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
) -> None:
    """Of a notice in 20 documents 19 go: 19·100 of 20·(100 + 1 + 40) bytes of words of 4 letters and a space."""
    notice, own = " ".join(f"w{n:03}" for n in range(100)), [[f"{at:02}{n:02}" for n in range(8)] for at in range(20)]
    texts = [f"{notice} {' '.join(words)}" for words in own]
    cleaned = run_stage(clean, CleanConfig(edits=()), raw(("docs", texts), ("one", [sentence(1, 40)])))
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    fields = {"rules": [], "near_duplicates": None, "repeated_passages": {"report_only": False}}

    def selected(**more: Any) -> Any:
        config = SelectConfig.model_validate({**fields, **more})
        return run_stage(select, config, cleaned, measured, labels())

    cut, whole = 19 * (len(notice) + 1), sum(map(len, texts)) + len(sentence(1, 40))
    with pytest.raises(StageFailed, match=rf"repeated_passages takes {cut} of {whole} bytes \({cut / whole:.0%}\)"):
        selected()
    corpus = selected(accept_losses=["repeated_passages"])
    assert corpus.metrics["account"]["bytes_cut"] == cut
    assert main_figure(corpus) == f"kept 21 documents; {cut / 1000:.1f} kB cut as repeated passages"
    reported = selected(repeated_passages={"report_only": True})
    assert main_figure(reported) == "kept 21 documents"


# --- what packing asks of the ledger ---


def test_kept_documents_that_hang_together_name_the_same_one(made: SimpleNamespace) -> None:
    rows = pq.read_table(made.select({**BASE, "near_duplicates": None}).path / "ledger.parquet").to_pylist()
    named = {reference(row["id"]): row["component"] and reference(row["component"]) for row in rows}
    near = [of(12), of(13), of(14), of(16)]
    assert {named[one] for one in near} == {min(near)}
    assert named[of(5)] == of(5)
    assert named[of(0)] is None, "it was dropped"
    assert {row["language"] for row in rows} <= {"en", "de", "fr", "nl"}
