"""Toxicity by word list and by classifiers, the rule on it, and both error rates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.curation.toxicity import TECHNICAL, TOXIC, error_rates, input_files, word_lists
from pipeline_config.measure import (
    FastTextToxicity,
    MeasureConfig,
    Toxicity,
    TransformersToxicity,
    WordListToxicity,
)
from pipeline_config.rules import ToxicityRule
from pipeline_config.selection import SelectConfig
from tasks.curation.judge import judge
from tasks.curation.measure import statistics
from tasks.curation.measures.toxicity import toxicity_scorer
from tasks.curation.stage import clean, measure, select
from tasks.runtime.errors import RefusedInput


def scores(config: Toxicity, files: Any, texts: list[str], languages: list[str] | None = None) -> list[float]:
    words = np.array([len(text.split()) for text in texts])
    named = np.array(languages or ["en"] * len(texts), object)
    return toxicity_scorer(config, files).measure(texts, named, words).tolist()


@pytest.fixture
def lists(tmp_path: Path) -> Any:
    (tmp_path / "en.json").write_text(json.dumps(["Darn", "dang it", "c++"]))
    (tmp_path / "zh.json").write_text(json.dumps(["笨蛋"]))
    return input_files(str(tmp_path / "*.json"))


def test_words_and_phrases_count_per_thousand_words_in_the_language_of_the_document(lists: Any):
    config = WordListToxicity(kind="words")
    texts = ["darn this, DARN that", "darned undarn", "oh dang\nit now", "use C++ now", "", "你笨蛋吗", "darn"]
    languages = ["en", "en", "en", "en", "en", "zh", "zh"]
    assert scores(config, lists, texts, languages) == [500.0, 0.0, 250.0, pytest.approx(1000 / 3), 0.0, 1000.0, 0.0]
    assert scores(WordListToxicity(kind="words", exclude=("DARN",)), lists, texts[:3]) == [0.0, 0.0, 250.0]


def test_what_is_no_word_list_is_refused(tmp_path: Path):
    (tmp_path / "en.json").write_text('{"a": 1}')
    with pytest.raises(RefusedInput, match=r"en\.json .* is no word list"):
        toxicity_scorer(WordListToxicity(kind="words"), input_files(str(tmp_path / "en.json")))


def test_a_fasttext_classifier(tmp_path: Path):
    import fasttext

    rows = [f"__label__{label} {word} {n}" for n in range(50) for label, word in (("bad", "awful"), ("good", "fine"))]
    (tmp_path / "train.txt").write_text("\n".join(rows))
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), epoch=20, lr=1.0, dim=4, verbose=0, thread=1)
    model.save_model(str(tmp_path / "model.bin"))
    files, config = input_files(str(tmp_path / "model.bin")), FastTextToxicity(kind="fasttext", path="m", label="bad")
    bad, good = scores(config, files, ["awful\nawful", "fine"])
    assert bad > 0.9
    assert good < 0.1
    with pytest.raises(RefusedInput, match="expected one of bad, good"):
        toxicity_scorer(FastTextToxicity(kind="fasttext", path="m", label="toxic"), files)


def test_a_transformers_classifier_gives_what_its_own_head_gives(tiny_encoder: Path, tmp_path: Path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        str(tiny_encoder), num_labels=2, id2label={0: "fine", 1: "toxic"}, label2id={"fine": 0, "toxic": 1}
    ).eval()
    model.save_pretrained(str(tmp_path / "model"))
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_encoder))
    tokenizer.save_pretrained(str(tmp_path / "model"))
    texts = ["rotate the keys", "a bucket policy of the role, and more of it", "key"]
    expected = [torch.softmax(model(**tokenizer(text, return_tensors="pt")).logits, -1)[0, 1].item() for text in texts]
    config = TransformersToxicity(kind="transformers", path="m", label="toxic")
    assert scores(config, input_files(str(tmp_path / "model")), texts) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(RefusedInput, match="expected one of fine, toxic"):
        scores(TransformersToxicity(kind="transformers", path="m", label="x"), input_files(str(tmp_path / "model")), [])
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(RefusedInput, match="Expected a folder with"):
        scores(config, input_files(str(tmp_path / "model")), [])


def test_the_rule_flags_and_drops_nothing_unless_it_is_told_to():
    rule = ToxicityRule(kind="toxicity", maximum=5)
    assert rule.report_only
    measured = {**statistics(["a b c"] * 2), "source": np.array(["s"] * 2, object), "toxicity": np.array([5.0, 6.0])}
    verdict = judge(rule, measured)
    assert verdict.drop.tolist() == [False, True]
    assert verdict.reasons[verdict.reason[1]] == "toxicity: too high"


def test_toxicity_from_configuration_to_funnel(
    run_stage: Callable[..., Any], raw: Any, labels: Any, lid_model: Any, lists: Any
):
    from tests.curation.test_curation_stages import CLEAN, sentence

    texts = [f"{sentence(seed)} {'That darn key, they said, was lost again.' * (seed == 3)}" for seed in range(5)]
    cleaned = run_stage(clean, CLEAN, raw(("docs", texts)))
    config = MeasureConfig.model_validate({"toxicity": {"kind": "words"}})
    rules = [{"kind": "toxicity", "maximum": 0}]
    asked = SelectConfig.model_validate({"rules": rules})
    plain = run_stage(measure, MeasureConfig(), cleaned, lid_model)
    with pytest.raises(RefusedInput, match=r"measure\.toxicity is null"):
        run_stage(select, asked, cleaned, plain, labels(test=[sentence(99)]))
    measures = run_stage(measure, config, cleaned, lid_model, lists)
    held_out = labels(test=[sentence(98)])
    flagged = run_stage(select, asked, cleaned, measures, held_out).metrics["steps"][0]
    assert (flagged["documents"], flagged["alone"]["documents"], flagged["report_only"]) == (0, 1, True)
    rules[0]["report_only"] = False
    dropped = run_stage(select, SelectConfig.model_validate({"rules": rules}), cleaned, measures, held_out)
    assert dropped.metrics["steps"][0]["documents"] == 1


def test_both_error_rates_of_the_lists():
    """Counted by hand against the list for English."""
    words = ["How to kill", "bastard", "sex holds", "sucks", "bondage", "Escort", "tied up", "Sexual", "Rape", "butt"]
    assert len(TECHNICAL) + len(TOXIC) >= 60
    wrong, missed = error_rates(WordListToxicity(kind="words"), word_lists(), 1e-9)
    minded = [text for text, bad in zip(TECHNICAL, wrong, strict=True) if bad]
    assert minded == [text for text in TECHNICAL if any(word in text for word in words)]
    assert int(missed.sum()) == 13  # "retarded", and the twelve without such a word
    assert missed[12:].all()
