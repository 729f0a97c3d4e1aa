"""What the edits for personal data mask is masked in every text that is shown, of whatever source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.comparison.sides import masking
from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.rule_presets import steps
from pipeline_config.selection import SelectConfig
from tasks.comparison.corpora import Place, movements, with_texts
from tasks.corpus.redaction.settings import excerpt
from tasks.curation.audit import sample
from tasks.curation.stage import clean, measure, select
from tasks.curation.what_if import what_if
from tests.curation.test_what_if import sentence

EDITS = {"edits": [{"kind": "pii", "sources": ["b"]}]}
LONG, SHORT = sentence(1, 40), sentence(2, 8)
TEXTS = [
    f"Ask ann@acme.io first. {LONG}",
    f"Ask ann@acme.io first. {LONG} Lorem ipsum.",
    f"Ask bo@acme.io. {SHORT}",
]
STRICT = SelectConfig.model_validate({"rules": [{"kind": "word_count", "minimum": 20}]})


@pytest.fixture
def made(run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any) -> SimpleNamespace:
    found = SimpleNamespace(labels=labels())
    found.clean = run_stage(clean, CleanConfig.model_validate(EDITS), raw(("a", TEXTS), ("b", ["Nothing to hide."])))
    found.measures = run_stage(measure, MeasureConfig(perplexity=None), found.clean, lid_model)
    found.select = lambda config: run_stage(select, config, found.clean, found.measures, found.labels)
    return found


def test_excerpts_of_what_if_audit_and_compare(made: SimpleNamespace, tmp_path: Path) -> None:
    loose = SelectConfig(rules=())
    before, after = made.select(loose), made.select(STRICT)
    found = what_if(
        STRICT, steps(STRICT.rules), made.clean, made.measures, made.labels, before, None, tmp_path, samples=9
    )
    shown = [one.excerpt for samples in found.samples.values() for one in samples]
    assert f"Ask <EMAIL>. {SHORT}" in shown
    rows = list(sample(before, made.clean, 9))
    assert any(row["matched_text"].startswith("“Ask <EMAIL> first. ") for row in rows)
    shown += [row[name] for row in rows for name in ("text", "matched_text")]
    places = [Place(corpus.path, made.clean.path, masking(made.clean.manifest)) for corpus in (before, after)]
    moved = list(movements(*places).moved)
    for pair in (places, [replace(places[0], edits=()), places[1]]):
        texts = [item.text for item in with_texts(moved, *pair)]
        assert f"Ask <EMAIL>. {SHORT}" in texts, "what one side masks is masked"
        shown += texts
    assert not [text for text in shown if "@" in text]


def test_an_address_at_the_end_of_an_excerpt_is_no_half_address() -> None:
    edits = CleanConfig.model_validate(EDITS).edits
    assert excerpt("Ask ann@acme.io first.", edits, 7) == "Ask <EM"
    assert excerpt("Ask ann@acme.io first.", (), 7) == "Ask ann"


def test_all_is_masked_where_nobody_knows_what_was() -> None:
    assert [edit.kind for edit in masking(None)] == ["pii", "secrets"]


def test_nothing_that_is_made_beside_the_texts_quotes_an_address(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any
) -> None:
    """Neither the reasons of an edit that stands before `pii` nor samples of a source that is not masked."""
    line = f"{'Write to our help desk, that is to ':.<50}zora.quill@corpmail.io for more of it"
    passage = f"Reach bob.marlow@corpmail.io about {sentence(3, 60)}"
    texts = [f"{line}\n{sentence(10 + n, 40)} No. {n}. {passage} No. {n}." for n in range(10)]
    repeated = {"kind": "repeated_lines", "min_documents": 5, "report_only": False}
    edits = CleanConfig.model_validate({"edits": [repeated, {"kind": "pii", "sources": ["other"]}]})
    cleaned = run_stage(clean, edits, raw(("a", texts), ("other", ["Nothing to hide."])))
    measures = run_stage(measure, MeasureConfig(perplexity=None), cleaned, lid_model)
    settings = {"rules": [], "near_duplicates": None, "repeated_passages": {"min_words": 30}}
    selected = run_stage(select, SelectConfig.model_validate(settings), cleaned, measures, labels())
    reasons = pq.read_table(cleaned.path / "cuts.parquet")["reason"].to_pylist()
    assert sum("such as 'Write to our help desk" in reason for reason in reasons) >= 9
    samples = selected.metrics["steps"][-1]["samples"]
    assert samples
    assert all(sample["text"].startswith("Reach <EMAIL> about ") for sample in samples)
    held = [
        (file, str(pq.read_table(file).to_pylist()).encode() if file.suffix == ".parquet" else file.read_bytes())
        for artifact in (cleaned, measures, selected)
        for file in artifact.path.rglob("*")
        if file.is_file() and "documents" not in file.parts
    ]
    assert len(held) > 5
    assert [file for file, content in held if any(part in content for part in (b"zora.", b"marlow", b"corpmail"))] == []
