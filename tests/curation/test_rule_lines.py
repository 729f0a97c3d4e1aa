"""What each rule says of one document: by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline_config.rule_presets import Step
from pipeline_config.rules import Rule
from tasks.curation.judge import judge
from tasks.curation.measures.statistics import statistics
from tasks.curation.rule_lines import rule_lines

RULE: TypeAdapter[Any] = TypeAdapter(Rule)
CELLS = [
    {"language": "en", "bytes": [0, 200], "low": 0.5, "high": 2.0},
    {"language": "others", "bytes": [0, 200], "low": 1.0, "high": 3.0},
    {"language": "others", "bytes": [200, 1000], "low": 0.25, "high": 2.5},
    {"language": "en", "bytes": [1000, None], "low": None, "high": 2.0},
]


def row(text: str = "a bucket of keys", **more: Any) -> dict[str, Any]:
    measured = {name: values[0] for name, values in statistics([text]).items()}
    return measured | {"source": "docs", "language": "en", "language_score": 0.9, "bits_per_byte": 2.25} | more


def said(rule: dict[str, Any], measured: dict[str, Any], fitted: Any = ()) -> str:
    steps = [Step("name", RULE.validate_python(rule))]
    (line,) = rule_lines(steps, [{"step": "name", "fitted": fitted}], measured)
    return line


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "(≥ 0.5, ≤ 2); would drop"),
        ({"language": "fr"}, "(≥ 1, ≤ 3)"),  # of few documents: the others
        ({"bytes": 200}, "(≥ 0.25, ≤ 2.5)"),  # at an edge the next range begins
        ({"bytes": 199}, "(≥ 0.5, ≤ 2); would drop"),
        ({"bytes": 1000}, "(≤ 2); would drop"),
    ],
)
def test_perplexity_has_the_quantiles_of_its_language_and_length(more: dict[str, Any], expected: str) -> None:
    rule = {"kind": "perplexity", "report_only": True}
    assert said(rule, row(**more), CELLS) == f"name (report only): bits_per_byte 2.25 {expected}"


def test_relevance_and_toxicity_are_told_like_the_others() -> None:
    measured = row(relevance=0.25, toxicity=5.0)
    fitted = [{"threshold": 0.5}]
    assert said({"kind": "relevance"}, measured, fitted) == "name: relevance 0.25 (≥ 0.5); drops"
    assert said({"kind": "toxicity", "maximum": 4}, measured) == "name (report only): toxicity 5 (≤ 4); would drop"
    assert said({"kind": "toxicity", "maximum": 5}, measured) == "name (report only): toxicity 5 (≤ 5)"
    assert said({"kind": "word_count", "minimum": 5}, measured) == "name: words 4 (≥ 5, ≤ 100000); drops"
    assert said({"kind": "language"}, measured) == "name: en, wanted en; language_score 0.9 (≥ 0)"
    foreign = said({"kind": "language", "languages": ["fr"], "foreign_score": 0.9}, measured)
    assert foreign == "name: en, wanted fr; language_score 0.9 (< 0.9); drops"


def test_what_a_rule_does_not_judge_is_said() -> None:
    assert said({"kind": "word_count", "sources": ["notes"]}, row()) == "name: not judged, it is for notes"
    assert said({"kind": "symbols", "min_words": 10}, row()) == "name: not judged, fewer than 10 words"
    few = said({"kind": "perplexity"}, row(bytes=1000, language="fr"), CELLS)
    assert few == "name (report only): not judged, fewer than 200 documents to compare it with"


def test_a_value_just_beyond_its_threshold_does_not_look_like_it() -> None:
    assert said({"kind": "relevance"}, row(relevance=0.50000001), [{"threshold": 0.50000002}]) == (
        "name: relevance 0.50000001 (≥ 0.50000002); drops"
    )


@pytest.mark.parametrize("bits", [0.4, 0.5, 1.0, 2.0, 2.1])
def test_what_is_said_of_perplexity_is_what_the_rule_decided(bits: float) -> None:
    """Of 101 documents, quantiles as the rule fits them; the last is the one that is asked about."""
    rule = {"kind": "perplexity", "low_quantile": 0.1, "high_quantile": 0.9, "min_documents": 1, "report_only": False}
    values = np.append(np.linspace(0.5, 2.0, 100), bits)
    table = {name: np.repeat(value, 101) for name, value in statistics(["a bucket of keys"]).items()}
    table |= {"source": np.full(101, "docs", object), "language": np.full(101, "en", object), "bits_per_byte": values}
    verdict = judge(RULE.validate_python(rule), table)
    line = said(rule, row(bits_per_byte=bits), verdict.fitted)
    assert line.endswith("; drops") == bool(verdict.drop[-1])
