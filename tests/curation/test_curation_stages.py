"""From raw text to a corpus: accounts, funnel, leaks, duplicates, and results that do not depend on how they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import RepeatedPassagesConfig, SelectConfig
from tasks.corpus.account import Account
from tasks.corpus.document import document_id, read_documents, reference, text_digest
from tasks.curation import measure as measure_module
from tasks.curation.decontamination import HeldOutTexts
from tasks.curation.domain import read_rules
from tasks.curation.fate import fate_of_document, fate_of_text, tell_fate
from tasks.curation.measure import TABLE
from tasks.curation.stage import clean, measure, select
from tasks.runtime.errors import RefusedInput, StageFailed

WORDS = ["the", "of", "and", "to", "with", "bucket", "key", "policy", "role", "access", "log", "network", "rule", "is"]
CLEAN = CleanConfig.model_validate({"edits": [{"kind": "html", "sources": ["docs"]}, {"kind": "whitespace"}]})


def sentence(seed: int, count: int = 40) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count)).capitalize() + "."


def edited(text: str, word: int) -> str:
    words = text.split()
    return " ".join([*words[:word], "changed", *words[word + 1 :]])


LEAK, NEAR = sentence(100, 60), sentence(200, 200)
DOCS = [
    *[f"<p>{sentence(seed)}</p>" for seed in range(6)],
    sentence(0),  # the same as the first, once the markup is out
    f"{sentence(101, 60)} {LEAK} {sentence(102, 60)}",  # 7: holds a held-out text
    NEAR,  # 8
    edited(NEAR, 40),  # 9
    "<p></p>",  # 10: empty
    "The tags.",  # 11: too short
    "Toutes les exigences légales et réglementaires doivent être définies, documentées et tenues à jour.",  # 12
]
NOTES = [edited(NEAR, 10), sentence(300)]


@pytest.fixture
def road(run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any) -> Callable[..., SimpleNamespace]:
    """Clean, measure and select; `select` fields may be given."""
    held_out = labels(validation=[sentence(900)], test=[LEAK])

    def run(backwards: bool = False, config: dict[str, Any] | None = None) -> SimpleNamespace:
        made = SimpleNamespace(raw=raw(("docs", DOCS), ("notes", NOTES), backwards=backwards), labels=held_out)
        made.clean = run_stage(clean, CLEAN, made.raw)
        made.measures = run_stage(measure, MeasureConfig(), made.clean, lid_model)
        made.config = SelectConfig.model_validate(config or {})
        made.corpus = run_stage(select, made.config, made.clean, made.measures, held_out)
        return made

    return run


def decisions(corpus: Any) -> dict[str, tuple[str | None, str | None]]:
    rows = pq.read_table(corpus.path / "ledger.parquet").to_pylist()
    names = {document_id("docs", str(at).encode()): f"docs{at}" for at in range(len(DOCS))}
    names |= {document_id("notes", str(at).encode()): f"notes{at}" for at in range(len(NOTES))}
    return {names[row["id"]]: (row["step"], names.get(row["matched_id"])) for row in rows}


def test_every_document_has_its_decision_and_the_account_holds(road: Callable[..., SimpleNamespace]):
    made = road()
    found = decisions(made.corpus)
    # Of three near texts (J ≥ 186/206) the longest stays.
    lengths = {"docs8": len(DOCS[8]), "docs9": len(DOCS[9]), "notes0": len(NOTES[0])}
    stays = max(lengths, key=lambda name: lengths[name])
    twins = {name: ("near", stays) for name in lengths if name != stays}
    first, second = sorted(("docs0", "docs6"), key=lambda name: document_id("docs", name.removeprefix("docs").encode()))
    assert {name: decision for name, decision in found.items() if decision[0]} == {
        second: ("exact", first),
        "docs7": ("decontaminate", None),
        **twins,
        "docs11": ("word_count", None),
        "docs12": ("language", None),
    }
    assert "docs10" not in found
    cleaned, account = made.clean.metrics["account"], made.corpus.metrics["account"]
    for figures in (cleaned, account):
        Account(**figures).check()
    assert cleaned["documents_in"] == 15
    assert (cleaned["documents_dropped"], cleaned["bytes_dropped"]) == (1, len("<p></p>"))
    assert (cleaned["bytes_cut"], cleaned["bytes_inserted"]) == (6 * len("<p></p>"), 0)
    assert cleaned["bytes_kept"] == account["bytes_in"]
    steps = made.corpus.metrics["steps"]
    assert sum(step["documents"] for step in steps) == account["documents_dropped"] == 6
    assert sum(step["bytes"] for step in steps) == account["bytes_dropped"]
    kept = read_documents(made.corpus.path / "documents")
    assert kept.num_rows == account["documents_kept"] == 8
    assert sum(len(text.encode()) for text in kept["text"].to_pylist()) == account["bytes_kept"]


def test_the_ledger_gives_value_threshold_and_match(road: Callable[..., SimpleNamespace]):
    made = road()
    rows = {row["step"]: row for row in pq.read_table(made.corpus.path / "ledger.parquet").to_pylist()}
    assert (rows["word_count"]["value"], rows["word_count"]["threshold"]) == (2, 3)
    assert rows["word_count"]["reason"] == "words: too low"
    assert (rows["decontaminate"]["value"], rows["decontaminate"]["threshold"]) == (1.0, 0.5)
    assert rows["decontaminate"]["reason"] == "leak: holds n-grams of a test text"
    held_out = HeldOutTexts.read(made.config.decontaminate, (), made.labels)
    assert rows["decontaminate"]["matched_id"] in held_out.ids
    assert rows["near"]["jaccard"] == rows["near"]["value"] >= 0.8 == rows["near"]["threshold"]
    assert rows["exact"]["jaccard"] == 1
    assert (rows[None]["decision"], rows[None]["reason"], rows[None]["value"]) == ("kept", None, None)


def test_a_passage_that_a_benchmark_asks_many_questions_of_is_left_out(
    run_stage: Any, raw: Any, labels: Any, lid_model: Any
):
    """12 records of one passage are not 12 groups that share a boilerplate."""
    passage = " ".join(f"word{number}" for number in range(150))
    benchmarks = raw(("exam", [f"{passage} question {seed} about {seed * 7} things" for seed in range(12)]))
    cleaned = run_stage(clean, CleanConfig(), raw(("docs", [f"before it {passage} and after it", "nothing like it"])))
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    selected = run_stage(select, SelectConfig(rules=()), cleaned, measured, labels(), benchmarks)
    found = {row["id"]: row["reason"] for row in pq.read_table(selected.path / "ledger.parquet").to_pylist()}
    assert found[document_id("docs", b"0")] == "leak: holds n-grams of a benchmark exam text"
    assert found[document_id("docs", b"1")] is None


def test_what_holds_a_benchmark_text_is_left_out_and_the_cost_of_other_shares_is_told(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
):
    """Of 100 13-grams of the benchmark text the documents hold 100, 40 and none."""
    words = [f"word{n}" for n in range(112)]
    whole, part, none = " ".join(words), " ".join(words[:52]), " ".join(f"other{n}" for n in range(60))
    benchmarks = raw(("exam", [f"{whole} again"]))
    cleaned = run_stage(clean, CleanConfig(edits=()), raw(("docs", [whole, part, none])))
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    selected = run_stage(select, SelectConfig(rules=()), cleaned, measured, labels(), benchmarks)
    (row,) = [row for row in pq.read_table(selected.path / "ledger.parquet").to_pylist() if row["step"]]
    assert (row["id"], row["reason"]) == (document_id("docs", b"0"), "leak: holds n-grams of a benchmark exam text")
    assert row["matched_id"] == document_id("exam", b"0")
    figures = selected.metrics["decontamination"]
    assert figures["hits"] == {"benchmark exam": 1}
    both, one = len(whole) + len(part), len(whole)
    assert [tuple(cost.values()) for cost in figures["cost"]] == [(0.3, 2, both), (0.5, 1, one), (0.8, 1, one)]
    folders = [artifact.path for artifact in (cleaned, measured, selected)]
    file = folders[0].parent / "text.txt"
    file.write_text(whole)
    found = tell_fate(str(file), folders[0], *folders, labels=labels().path, benchmarks=benchmarks.path)
    assert any("leak of the benchmark exam text" in line["text"] for line in found["stages"])


def test_passages_of_other_documents_are_cut_and_accounted_for(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
):
    """The longest document comes first. Of the second the end is cut; of the third nothing is left."""
    passage = " ".join(f"word{n}" for n in range(60))
    longest, second = f"{passage} and {' '.join(f'own{n}' for n in range(90))}", f"Of ours: é {passage}"
    third = passage
    cleaned = run_stage(clean, CleanConfig(edits=()), raw(("docs", [longest, second, third])))
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)

    def selected(**fields: Any) -> Any:
        config = SelectConfig(rules=(), near_duplicates=None, repeated_passages=RepeatedPassagesConfig(**fields))
        return run_stage(select, config, cleaned, measured, labels())

    shown, cut = selected(), selected(report_only=False)
    step = shown.metrics["steps"][-1]
    assert (step["documents"], step["bytes"], step["report_only"]) == (0, 0, True)
    assert step["alone"] == {"documents": 1, "bytes": 2 * len(passage)}
    assert [(sample["bytes"], sample["text"]) for sample in step["samples"]] == [(len(passage), passage[:300])] * 2
    assert read_documents(shown.path / "documents").num_rows == 3

    short = selected(report_only=False, min_bytes=len(passage) + 1).metrics
    assert (short["account"]["bytes_cut"], short["steps"][-1]["changed"]) == (0, 0)

    rows = {row["id"]: row for row in read_documents(cut.path / "documents").to_pylist()}
    name = document_id("docs", b"1")
    assert {row["text"] for row in rows.values()} == {longest, "Of ours: é "}
    assert rows[name]["text_digest"] == text_digest("Of ours: é ")
    before = {row["id"]: row["text"].encode() for row in read_documents(cleaned.path / "documents").to_pylist()}
    made = pq.read_table(cut.path / "cuts.parquet").to_pylist()
    assert len(made) == 2
    for row in made:
        words = before[row["id"]][row["start"] : row["start"] + row["bytes"]].decode()
        assert words in rows[row["matched_id"]]["text"]
    account = cut.metrics["account"]
    Account(**account).check()
    assert (account["documents_dropped"], account["bytes_cut"]) == (1, len(passage))
    assert cut.metrics["steps"][-1]["bytes"] == account["bytes_dropped"] + account["bytes_cut"] == 2 * len(passage)
    (dropped,) = [row for row in pq.read_table(cut.path / "ledger.parquet").to_pylist() if row["step"]]
    assert (dropped["id"], dropped["matched_id"]) == (document_id("docs", b"2"), document_id("docs", b"0"))
    rawest = raw(("docs", [longest, second, third]))
    told = fate_of_document(reference(name), rawest, cleaned, measured, cut).lines[-1].text
    assert told == f"−{len(passage)} bytes from byte 12 on, which stand in {reference(document_id('docs', b'0'))}"


def test_priority_decides_which_twin_stays(road: Callable[..., SimpleNamespace]):
    found = decisions(road(config={"priority": ["notes"]}).corpus)
    assert found["notes0"] == (None, None)
    assert found["docs8"] == ("near", "notes0")


def test_a_copy_of_a_near_duplicate_names_the_document_that_is_kept(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
):
    """Two copies, and a longer text near them: both name the longer one."""
    longer = f"{NEAR} Really."
    corpus = raw(("docs", [NEAR, NEAR, longer]))
    cleaned = run_stage(clean, CLEAN, corpus)
    measured = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    selected = run_stage(select, SelectConfig(rules=()), cleaned, measured, labels())
    rows = pq.read_table(selected.path / "ledger.parquet").to_pylist()
    assert {row["matched_id"] for row in rows if row["decision"] == "dropped"} == {document_id("docs", b"2")}
    assert [row["step"] for row in rows if row["decision"] == "dropped"] == ["near", "near"]


def test_report_only_counts_and_drops_nothing(road: Callable[..., SimpleNamespace]):
    rules = [{"kind": "word_count", "minimum": 50, "report_only": True}, {"kind": "word_count", "minimum": 3}]
    steps = road(config={"rules": rules}).corpus.metrics["steps"]
    assert (steps[0]["documents"], steps[0]["alone"]["documents"]) == (0, 10)
    assert (steps[1]["documents"], steps[1]["alone"]["documents"]) == (1, 1)


def test_a_domain_is_fitted_in_select(road: Callable[..., SimpleNamespace]):
    made = road(config={"rules": [{"kind": "domain"}, {"kind": "preset", "name": "c4", "report_only": True}]})
    metrics = made.corpus.metrics
    (told,) = metrics["fitted"]
    assert told["labelled"] == 1
    found = {step["step"]: step for step in metrics["steps"]}
    assert found["sentences_2"]["labelled"] == 1  # "nothing of the kind" ends no sentence
    assert found["sentences"]["labelled"] == 0  # widened
    assert "labelled" not in found["near"]
    assert [step.name for step in read_rules(made.corpus.path)] == list(found)[:-3]


def test_what_only_reports_names_samples_of_each_tail(road: Callable[..., SimpleNamespace]):
    rule = {"kind": "perplexity", "low_quantile": 0.2, "high_quantile": 0.8, "report_only": True}
    made = road(config={"rules": [rule | {"min_documents": 14, "length_edges": [1_000_000]}]})
    (step,) = (step for step in made.corpus.metrics["steps"] if step["step"] == "perplexity")
    (cell,) = step["fitted"]
    table = pq.read_table(made.measures.path / measure_module.TABLE).to_pylist()
    tails = {
        "bits per byte: too low": [reference(row["id"]) for row in table if row["bits_per_byte"] < cell["low"]],
        "bits per byte: too high": [reference(row["id"]) for row in table if row["bits_per_byte"] > cell["high"]],
    }
    assert {reason: [one["document"] for one in found] for reason, found in step["samples"].items()} == tails
    assert all(tails.values())
    told = json.loads((made.corpus.path / "card.json").read_text())["reported"]
    assert [(group["step"], group["reason"]) for group in told] == [("perplexity", reason) for reason in tails]
    texts = {reference(document_id("docs", str(at).encode())): text for at, text in enumerate(DOCS)}
    texts |= {reference(document_id("notes", str(at).encode())): text for at, text in enumerate(NOTES)}
    for one in (one for group in told for one in group["documents"]):
        whole = texts[one["document"]].removeprefix("<p>").removesuffix("</p>")
        assert one["text"] == (whole if len(whole) <= 200 else whole[:200] + "…")
        assert (one["value"] < one["threshold"]) == (one["threshold"] == cell["low"])
    assert (cell["language"], cell["bytes"], cell["documents"]) == ("others", [0, 1_000_000], 14)


def test_texts_that_are_all_near_one_another_have_no_perplexity_and_it_is_said(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
):
    """Their components are one, so that one of two models sees them all and the other one nothing."""
    near = [edited(NEAR, at) for at in range(0, 200, 4)]
    for texts, told in ((near, True), ([*near, sentence(300)], False)):
        events: list[dict[str, Any]] = []
        cleaned = run_stage(clean, CleanConfig(edits=()), raw(("docs", texts)))
        measures = run_stage(measure, MeasureConfig(), cleaned, lid_model, events=events)
        assert any("perplexity: all texts of its sample" in str(event.get("message")) for event in events) == told
        bits = pq.read_table(measures.path / measure_module.TABLE)["bits_per_byte"].to_pylist()
        assert (min(bits) == pytest.approx(np.log2(243), abs=1e-4)) == told
        config = SelectConfig.model_validate({"near_duplicates": None})
        corpus = run_stage(select, config, cleaned, measures, labels(validation=[sentence(900)], test=[LEAK]))
        assert ("Bits per byte say nothing here" in (corpus.path / "card.md").read_text()) == told


def test_what_was_measured_of_languages_is_summed_up(road: Callable[..., SimpleNamespace]):
    made = road()
    languages = made.measures.metrics["languages"]
    assert languages["fr"] == {
        "documents": 1,
        "bytes": len(DOCS[12].encode()),
        "confidence": pytest.approx(0.96, abs=0.04),
        "mixed": 0,
    }
    assert sum(figures["documents"] for figures in languages.values()) == 14


def test_the_order_of_the_input_and_the_size_of_batches_do_not_matter(
    road: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
):
    one = road()
    monkeypatch.setattr("tasks.corpus.partitions.BATCH_ROWS", 3)
    monkeypatch.setattr("tasks.curation.texts.BATCH_ROWS", 2)
    other = road(backwards=True)
    for name in ("clean", "measures", "corpus"):
        assert getattr(one, name).digest == getattr(other, name).digest


def test_what_leaves_nothing_fails_and_names_the_culprit(
    run_stage: Callable[..., Any], raw: Any, road: Callable[..., SimpleNamespace]
):
    with pytest.raises(StageFailed, match=r"'html' emptied most \(2\)"):
        run_stage(clean, CLEAN, raw(("docs", ["<p></p>", "<br>"])))
    with pytest.raises(StageFailed, match=r"kept none of 14 documents; 'word_count' dropped most \(14\)"):
        road(config={"rules": [{"kind": "word_count", "minimum": 1000}]})


def test_bands_that_do_not_fit_the_signatures_are_refused(road: Callable[..., SimpleNamespace]):
    with pytest.raises(RefusedInput, match=r"bands=5 does not divide .*112"):
        road(config={"near_duplicates": {"bands": 5}})


def test_the_fate_of_a_document(road: Callable[..., SimpleNamespace]):
    made = road()

    def fate(source: str, at: int) -> tuple[str, list[str]]:
        name = reference(document_id(source, str(at).encode()))
        found = fate_of_document(name[:16] + "…", made.raw, made.clean, made.measures, made.corpus)
        assert (found.document, found.source) == (name, source)
        return found.decision, [f"{line.stage}: {line.text}" for line in found.lines if line.stage != "rule"]

    decision, lines = fate("docs", 1)
    assert decision == "kept"
    assert lines[:2] == ["ingest: read from docs.txt, line 2", "clean: html: −7 bytes, HTML taken out"]
    assert lines[2].startswith("measure: en 0.")
    assert lines[2].split(", ")[1] == "40 words"
    assert lines[3:] == ["select: kept"]
    assert fate("docs", 10) == (
        "dropped",
        [
            "ingest: read from docs.txt, line 11",
            "clean: html: −7 bytes, HTML taken out",
            "clean: dropped: nothing but white space was left",
        ],
    )
    assert fate("docs", 11)[1][-1] == "select: dropped: words: too low (2, threshold 3)"
    assert "leak: holds n-grams of a test text (1, threshold 0.5), doc:" in fate("docs", 7)[1][-1]
    fates = {fate("docs", 8)[1][-1], fate("docs", 9)[1][-1], fate("notes", 0)[1][-1]}
    assert "select: kept; 2 documents were dropped as its duplicates" in fates
    assert any("near-duplicate of doc:" in text and "threshold 0.80)" in text for text in fates)
    with pytest.raises(RefusedInput, match="names 0 documents"):
        fate_of_document("doc:zz", made.raw, made.clean, made.measures, made.corpus)
    with pytest.raises(RefusedInput, match="names 15 documents"):
        fate_of_document("doc:", made.raw, made.clean, made.measures, made.corpus)


def test_the_fate_of_a_text(road: Callable[..., SimpleNamespace], lid_model: Any):
    made = road(config={"priority": ["notes"]})

    def fate(text: str, **more: Any) -> tuple[str, str]:
        found = fate_of_text(text, made.clean, made.measures, made.corpus, **more)
        return found.decision, next(line.text for line in found.lines if line.stage == "select")

    twin = reference(document_id("notes", b"0"))
    assert fate(sentence(1234)) == ("kept", "kept")
    assert fate("The tags.") == ("dropped", "dropped: words: too low (2, threshold 3)")
    assert fate(NOTES[0]) == ("dropped", f"dropped: exact duplicate of {twin}")
    decision, line = fate(edited(NOTES[0], 70))
    assert decision == "dropped"
    assert line.startswith(f"dropped: near-duplicate of {twin} (Jaccard 0.9")
    assert fate("<p>The tags.</p> <br> <br>")[0] == "kept"
    assert fate("<p>The tags.</p> <br> <br>", source="docs")[0] == "dropped"
    assert fate(LEAK)[0] == "kept"
    assert fate(LEAK, labels=made.labels)[1].startswith("dropped: leak of the test text doc:")
    path: Path = lid_model.files[0].path
    assert fate(DOCS[12], lid_model=path)[1].startswith("dropped: language: fr, wanted en (0.9")


def test_a_fate_is_told_in_lines(road: Callable[..., SimpleNamespace], tmp_path: Path):
    made = road()
    folders = [artifact.path for artifact in (made.raw, made.clean, made.measures, made.corpus)]
    name = reference(document_id("docs", b"11"))
    told = tell_fate(name, *folders, seen_by=lambda _: (["pretrain"], ""))
    assert [line for line in told["lines"] if not line.startswith(" rule")] == [
        'docs  "The tags."',
        " ingest   read from docs.txt, line 12",
        " clean    unchanged",
        " measure  " + told["stages"][2]["text"],
        " select   dropped: words: too low (2, threshold 3)",
        " seen by  no model",
    ]
    document = document_id("docs", b"1")
    asked: list[bytes] = []

    def seen_by(found: bytes) -> tuple[list[str], str]:
        asked.append(found)
        return (["distill"], "held out of pretraining") if len(asked) == 1 else ([], "")

    kept = tell_fate(reference(document), *folders, seen_by=seen_by)
    assert (kept["decision"], kept["seen_by"]) == ("kept", ["distill"])
    assert kept["lines"][-1] == " seen by  distill (held out of pretraining)"
    assert tell_fate(reference(document), *folders, seen_by=seen_by)["lines"][-1] == " seen by  no model"
    assert asked == [document, document]
    (tmp_path / "text.txt").write_text(LEAK)
    told = tell_fate(str(tmp_path / "text.txt"), *folders, labels=made.labels.path)
    assert (told["decision"], told["document"]) == ("dropped", "")


def test_personal_data_is_counted_by_kind_and_masked_wherever_the_text_is_shown(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
):
    texts = [f"Ask ann@acme.io or li@acme.io. {sentence(0)}", sentence(1), f"password = k9#Vq2_mZ! {sentence(2)}"]
    made = raw(("docs", texts))
    edits = CleanConfig.model_validate({"edits": [{"kind": "pii"}, {"kind": "secrets"}, {"kind": "whitespace"}]})
    cleaned = run_stage(clean, edits, made)
    found = {edit["edit"]: edit.get("counts") for edit in cleaned.metrics["edits"]}
    assert found == {"pii": {"email": 2}, "secrets": {"assigned_secret": 1}, "whitespace": None}
    cuts = pq.read_table(cleaned.path / "cuts.parquet").to_pylist()
    assert sorted(cut["reason"] for cut in cuts) == ["replaced: 1 assigned_secret", "replaced: 2 email"]
    kept = read_documents(cleaned.path / "documents")["text"].to_pylist()
    assert sorted(kept) == sorted(
        [f"Ask <EMAIL> or <EMAIL>. {sentence(0)}", sentence(1), f"password = <ASSIGNED_SECRET> {sentence(2)}"]
    )
    measures = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    corpus = run_stage(select, SelectConfig(), cleaned, measures, labels(test=[LEAK]))
    name = reference(document_id("docs", b"0"))
    assert fate_of_document(name, made, cleaned, measures, corpus).excerpt.startswith("Ask <EMAIL> or <EMAIL>. ")
    assert fate_of_text("of me@acme.io only", cleaned, measures, corpus).excerpt == "of <EMAIL> only"


def test_perplexity_need_not_be_measured(run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any):
    cleaned = run_stage(clean, CleanConfig(edits=()), raw(("docs", [sentence(1), sentence(2)])))
    measured = run_stage(measure, MeasureConfig(perplexity=None), cleaned, lid_model)
    assert "bits_per_byte" not in pq.read_schema(measured.path / TABLE).names
    assert not list((measured.path / "fitted").glob("perplexity*"))
    corpus = run_stage(select, SelectConfig(rules=()), cleaned, measured, labels())
    assert corpus.metrics["account"]["documents_kept"] == 2
    with pytest.raises(RefusedInput, match="perplexity was not measured"):
        run_stage(select, SelectConfig(), cleaned, measured, labels())
