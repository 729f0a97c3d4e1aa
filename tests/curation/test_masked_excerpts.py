"""What the edits for personal data mask is masked in every text that is shown, of whatever source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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
