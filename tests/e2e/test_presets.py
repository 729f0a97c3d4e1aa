"""Presets as they are found: each validates, and the road from scratch runs small."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline_config.clean import CleanConfig
from pipeline_config.load import preset_names
from tests.e2e.test_fingerprints import and_what_follows
from tests.e2e.workspace import CONFIG, Textmill, planned, ran

FROM_SCRATCH = (
    "tokenizer.vocabulary.vocab_size=400",
    "pack.max_seq_length=64",
    "pretrain.objective.init.hidden_size=32",
    "pretrain.objective.init.layers=2",
    "pretrain.objective.init.intermediate_size=64",
    "pretrain.budget={kind: steps, steps: 30}",
    "pretrain.warmup_steps=3",
)


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_makes_a_valid_workspace(plain: Textmill, tmp_path: Path, preset: str) -> None:
    folder = tmp_path / "shop"
    assert "textmill plan" in plain("init", str(folder), "--preset", preset).out
    shop = Textmill(folder, plain.environment)
    assert f"name: {preset}" in shop("validate", "--section", "model").out
    before = (folder / "textmill.yaml").read_text()
    assert "is not overwritten" in shop("init", ".", "--preset", preset, code=2).err
    assert (folder / "textmill.yaml").read_text() == before


LABELS = "{label_list: refuse, markup: none, min_label_count: 1, group_jaccard: 0.5, max_train_examples: null}"


@pytest.mark.long
def test_a_model_from_scratch(copy: Textmill) -> None:
    """On the data of the tiny workspace: what does not depend on the vocabulary is reused."""
    config = yaml.safe_load(CONFIG)
    for section in ("tokenizer", "pack", "pretrain"):
        del config[section]
    config["ingest"]["labels"] |= yaml.safe_load(LABELS)
    config |= {"preset": "from-scratch", "clean": {"edits": CleanConfig().model_dump()["edits"]}}
    (copy.root / "textmill.yaml").write_text(yaml.safe_dump(config))
    plan = copy.plan(*FROM_SCRATCH)
    assert "tokenizer.vocabulary.kind keep → train" in plan["tokenizer"][1]
    assert set(planned(plan)) == and_what_follows(["tokenizer"])
    assert ran(copy.run(*FROM_SCRATCH, "--until", "pretrain")) == ["tokenizer", "pack", "pretrain"]
    figures = copy("show", "tokenizer", "--json").json["manifest"]["metrics"]
    assert (figures["kind"], figures["vocabulary"]["after"]) == ("train", 400)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_second_domain_is_selected_without_a_line_of_code(plain: Textmill, tmp_path: Path) -> None:
    """What the preset for licences promises: near-duplicates go, what is labelled for judging goes, and licences in
    other languages stay."""
    plain("init", str(tmp_path / "shop"), "--preset", "software-licensing")
    shop = Textmill(tmp_path / "shop", plain.environment)
    try:
        shop("run", ".", "--sample", "10%", "--until", "select")
    finally:
        shop("server", "stop", code=None)
    figures = shop("show", "select", "--json").json["manifest"]["metrics"]
    steps = {step["step"]: step for step in figures["steps"]}
    assert steps["near"]["documents"] > 0
    assert steps["decontaminate"]["documents"] > 0
    assert steps["language"]["report_only"]
    assert steps["language"]["alone"]["documents"] > 0
    assert figures["languages"]["en"] < sum(figures["languages"].values()) == figures["account"]["documents_kept"]
    rows = pq.read_table(shop.artifacts("select")[0] / "ledger.parquet", columns=["decision", "step"]).to_pylist()
    assert "language" not in {row["step"] for row in rows if row["decision"] == "dropped"}
    sources = figures["sources"]
    assert set(sources) == {"licences", "notices"}
    assert all(0 < one["documents_kept"] < one["documents_in"] for one in sources.values())
