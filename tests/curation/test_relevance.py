"""Relevance: what the classifier prefers, who scores whom, equal bytes of two trainings, and the budget in the road."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig, RelevanceConfig
from pipeline_config.pipeline import PipelineConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import document_id, document_table, iter_documents, write_documents
from tasks.curation.measure import TABLE
from tasks.curation.measures import relevance
from tasks.curation.measures.cross_fitting import COLUMNS
from tasks.curation.measures.relevance import CrossFitted
from tasks.curation.stage import clean, measure, select
from tasks.dedup.signatures import sign
from tasks.dedup.words import hash_words
from tasks.runtime.errors import RefusedInput

CLOUD = [
    "rotate",
    "access",
    "keys",
    "policy",
    "role",
    "bucket",
    "encryption",
    "network",
    "firewall",
    "audit",
    "log",
    "user",
]
FOOD = [
    "boil",
    "rice",
    "onion",
    "garlic",
    "pan",
    "oven",
    "butter",
    "flour",
    "sugar",
    "lemon",
    "pepper",
    "dinner",
    "plate",
]


def texts(words: list[str], seeds: range) -> list[str]:
    return [" ".join(np.random.default_rng(seed).choice(words, 30)) for seed in seeds]


def written(folder: Path, wanted: list[str], other: list[str]) -> Path:
    rows = [
        {"id": document_id(source, str(at).encode()), "source": source, "text": text}
        for source, held in (("good", wanted), ("crawl", other))
        for at, text in enumerate(held)
    ]
    write_documents(folder, document_table(rows))
    return folder


def config(**more: Any) -> MeasureConfig:
    settings = {"sources": ["good"], "num_epochs": 20, "buckets": 5000, **more}
    return MeasureConfig.model_validate({"relevance": settings})


def fitted(folder: Path, documents: Path, **more: Any) -> CrossFitted:
    folder.mkdir()
    settings = config(**more)
    drawn = relevance.samples(settings)
    for batch in iter_documents(documents, COLUMNS):
        for sample in drawn:
            sample.add(batch)
    relevance.fit(settings, drawn, folder)
    return CrossFitted.load(folder)


def scores(models: CrossFitted, asked: list[str]) -> list[float]:
    return relevance.measure(models, asked, sign(hash_words(asked), 5, 112, 1))["relevance"].tolist()


def test_wanted_text_scores_higher_and_the_same_bytes_come_twice(tmp_path: Path):
    documents = written(tmp_path / "documents", texts(CLOUD, range(20)), texts(FOOD, range(100, 120)))
    models = fitted(tmp_path / "one", documents)
    assert min(scores(models, texts(CLOUD, range(500, 510)))) > 0.8 > 0.2 > max(scores(models, texts(FOOD, range(9))))
    fitted(tmp_path / "two", documents)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_scores_are_those_of_fasttext(tmp_path: Path):
    documents = written(tmp_path / "documents", texts(CLOUD, range(20)), texts(FOOD, range(100, 120)))
    models = fitted(tmp_path / "one", documents)
    asked = [*texts(CLOUD, range(3)), "Rotate the ONION\n__label__wanted keys", ""]
    stock = [fasttext.FastText._FastText(model_path=str(tmp_path / "one" / f"relevance-{own}.bin")) for own in (0, 1)]
    expected = []
    for own, text in zip(models.seen.scorer(sign(hash_words(asked), 5, 112, 1)), asked, strict=True):
        (((label,),), ((share,),)) = stock[own].predict([relevance.plain(text)])
        expected.append(share if label == "__label__wanted" else 1 - share)
    assert scores(models, asked) == pytest.approx(expected, abs=2e-5)


def test_nobody_is_scored_by_a_classifier_that_saw_him(tmp_path: Path):
    """Each text has words of its own, so that only a classifier that saw it can tell its kind."""
    held = [" ".join(f"w{text}x{word}" for word in range(20)) for text in range(40)]
    wanted, other = held[:20], held[20:]
    documents = written(tmp_path / "documents", wanted, other)
    models = fitted(tmp_path / "one", documents, num_epochs=1000, learning_rate=1.0)
    cross = np.mean(scores(models, wanted)) - np.mean(scores(models, other))
    swapped = CrossFitted((models.models[1], models.models[0]), models.seen)
    own = np.mean(scores(swapped, wanted)) - np.mean(scores(swapped, other))
    assert own > 0.2
    assert abs(cross) < own / 2


def test_folds_share_wanted_and_other_text_alike():
    component = np.array([0, 1, 2, 3, 4, 5, 5])
    wanted = np.array([True, True, False, False, False, True, False])
    fold = relevance.balanced_folds(component, np.array([10, 10, 90, 50, 40, 15, 99]), wanted)
    assert fold[5] == fold[6]
    assert fold[:2].tolist() == [1, 1]  # 15 | 20 bytes of wanted text
    assert sorted([fold[2:5].tolist().count(0), fold[2:5].tolist().count(1)]) == [1, 2]  # 90 | 50 + 40


@pytest.mark.parametrize(
    ("wanted", "other", "words"),
    [
        ([], texts(FOOD, range(9)), "0 distinct texts of these sources"),
        (texts(CLOUD, range(1)) * 3, texts(FOOD, range(9)), "1 distinct texts of these sources"),
        (texts(CLOUD, range(9)), texts(FOOD, range(1)), "1 distinct texts of other sources"),
    ],
)
def test_too_little_text_is_refused(tmp_path: Path, wanted: list[str], other: list[str], words: str):
    with pytest.raises(RefusedInput, match=words):
        fitted(tmp_path / "one", written(tmp_path / "documents", wanted, other))


def test_the_corpus_is_cut_by_relevance(run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any):
    cloud, food = texts(CLOUD, range(500, 510)), texts(FOOD, range(100, 120))
    cleaned = run_stage(clean, CleanConfig(edits=()), raw(("good", texts(CLOUD, range(20))), ("crawl", cloud + food)))
    measured = run_stage(measure, config(), cleaned, lid_model)
    table = pq.read_table(measured.path / TABLE).to_pylist()
    rule = {"kind": "relevance", "keep": 1 / 3, "by": "documents", "sources": ["crawl"]}
    settings = SelectConfig.model_validate({"rules": [rule], "near_duplicates": None})
    corpus = run_stage(select, settings, cleaned, measured, labels())
    ledger = pq.read_table(corpus.path / "ledger.parquet").to_pylist()
    kept = {row["id"] for row in ledger if row["decision"] == "kept" and row["source"] == "crawl"}
    assert kept == {document_id("crawl", str(at).encode()) for at in range(10)}
    (step,) = (step for step in corpus.metrics["steps"] if step["step"] == "relevance")
    assert step["fitted"][0]["documents"] == 10
    assert {row["relevance"] > step["fitted"][0]["threshold"] - 1e-9 for row in table if row["id"] in kept} == {True}
    without = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    assert "relevance" not in pq.read_table(without.path / TABLE).column_names
    with pytest.raises(RefusedInput, match="relevance was not measured"):
        run_stage(select, settings, cleaned, without, labels())


def test_a_config_that_cuts_by_what_it_does_not_measure_is_refused():
    with pytest.raises(ValueError, match=r"measure\.relevance is null"):
        PipelineConfig.model_validate(
            {
                "model": {"name": "x", "model_name_or_path": "x"},
                "ingest": {
                    "corpus": {"sources": [{"name": "a", "path": "a", "format": {"kind": "text"}}]},
                    "labels": {"sources": [{"name": "b", "path": "b", "format": {"kind": "csv"}, "label": "y"}]},
                },
                "select": {"rules": [{"kind": "relevance"}]},
            }
        )


def test_the_defaults_name_no_source_of_their_own():
    with pytest.raises(ValueError, match="sources"):
        RelevanceConfig.model_validate({})
