"""The section about measures: thresholds where they belong, costs as in the artifacts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tasks.report.charts.distribution import LEFT, RIGHT, WIDTH, Threshold, distribution
from tasks.report.material import Material
from tasks.report.page import render
from tasks.report.sections import measured
from tasks.report.wording import number
from tasks.runtime.artifact import MANIFEST, Manifest
from tasks.runtime.runs import RunRecord
from tasks.runtime.workspace import Workspace

Made = tuple[Workspace, RunRecord]
WHOLE = "are the whole recipe: the same ones give the same artifacts"


def test_every_rule_has_its_cost_and_its_threshold(made: Made) -> None:
    material = Material(*made)
    steps = {step["step"]: step for step in material.node("select").metrics["steps"] if "alone" in step}
    shown = measured.build(material)
    assert {row["name"].replace(" ", "_") for row in shown["rules"]} == set(steps)
    for row in shown["rules"]:
        step = steps[row["name"].replace(" ", "_")]
        assert (row["alone"], row["first"]) == (step["alone"]["documents"], step["documents"])
    words = next(one for one in shown["pictures"] if one["name"] == "words")
    assert words["rules"] == ["word count"]
    bounds = {bound["at"] for bound in steps["word_count"]["bounds"]}
    assert all(f" {number(at)}" in words["picture"] for at in bounds)
    assert "What each rule costs" in render(*made)


def test_quantiles_are_drawn_and_told_for_each_language_and_length(made: Made) -> None:
    material = Material(*made)
    (step,) = (step for step in material.node("select").metrics["steps"] if step["step"] == "perplexity")
    shown = measured.build(material)
    bits = next(one for one in shown["pictures"] if one["name"] == "bits per byte")
    assert bits["rules"] == ["perplexity (report only)"]
    largest = max(step["fitted"], key=lambda cell: cell["documents"])
    assert all(f" {largest[side]:.4g}" in bits["picture"] for side in ("low", "high"))
    assert [row["documents"] for row in shown["quantiles"]] == [cell["documents"] for cell in step["fitted"]]


def test_the_bounds_of_the_language_score_are_drawn_with_the_languages_they_are_for(made: Made) -> None:
    material = Material(*made)
    rules = [
        {"kind": "language", "languages": ["en", "de"], "min_score": 0.125, "foreign_score": 0.75},
        {"kind": "language", "name": "foreign", "foreign_score": 0.5, "report_only": True},
    ]
    told = list(measured._of_languages({"rules": rules}))
    assert told == [
        ("language, all but en and de", Threshold(0.75, upper=True), False),
        ("language, en and de", Threshold(0.125, upper=False), False),
        ("foreign, all but en", Threshold(0.5, upper=True), True),
    ]
    score = next(one for one in measured.build(material)["pictures"] if one["name"] == "language score")
    assert "language, all but en" in score["rules"]
    assert ">≤ 0.65" in score["picture"]


@pytest.mark.parametrize("due", [False, True])
def test_a_later_version_says_what_it_goes_on_with(made: Made, tmp_path: Path, due: bool) -> None:
    workspace, record = Workspace(tmp_path / "ws"), made[1].model_copy(deep=True)
    shutil.copytree(made[0].root, workspace.root)
    page = render(workspace, record)
    assert WHOLE in page
    assert "of the corpus, which came after" not in page
    file = workspace.artifact("measure", record.nodes["measure"].fingerprint) / MANIFEST
    manifest = Manifest.model_validate_json(file.read_bytes())
    lineage = {"version": 3, "parent": "b" * 32, "fitted_in": "a" * 32, "fitted_documents": 120, "refit_due": due}
    changed = manifest.model_copy(update={"metrics": manifest.metrics | {"lineage": lineage}}).sealed()
    file.write_text(changed.model_dump_json())
    record.nodes["measure"].digest = changed.digest
    page = render(workspace, record)
    assert "Version 3 of the corpus, which came after <code>measure/bbbbbbbbbb</code>" in page
    assert "fitted to the 120 documents of version 0 (<code>measure/aaaaaaaaaa</code>)" in page
    assert ("a refit is due" in page) == due
    assert WHOLE not in page
    assert "not the whole recipe: the corpus goes on with what was fitted to an earlier version of it" in page


@pytest.mark.parametrize(
    ("threshold", "place", "said"),
    [
        (Threshold(5.0, upper=True), (LEFT + WIDTH - RIGHT) / 2, "≤ 5"),
        (Threshold(0.0, upper=False), LEFT, "≥ 0"),
        (Threshold(11.0, upper=True), WIDTH - RIGHT, "≤ 11 →"),
        (Threshold(-1.0, upper=False), LEFT, "≥ −1 ←"),
    ],
)
def test_a_threshold_stands_at_its_value_or_points_to_it(threshold: Threshold, place: float, said: str) -> None:
    picture = distribution("key", [0.0, 5.0, 10.0], [3, 1], [threshold], logarithmic=False, title="t", description="d")
    (x,) = re.findall(r'<line x1="([\d.]+)"[^>]*class="threshold"', picture)
    assert float(x) == pytest.approx(place, abs=0.06)
    assert f">{said}<" in picture


def test_labels_of_thresholds_that_are_near_to_one_another_stand_in_rows_of_their_own() -> None:
    near = [Threshold(at, upper=True) for at in (5.0, 5.5, 9.5, 5.0)]
    picture = distribution("key", [0.0, 5.0, 10.0], [3, 1], near, logarithmic=False, title="t", description="d")
    rows = {said: float(y) for y, said in re.findall(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>(≤ [\d.]+)<', picture)}
    assert list(rows) == ["≤ 5", "≤ 5.5", "≤ 9.5"]
    assert rows["≤ 5.5"] < rows["≤ 5"] == rows["≤ 9.5"]


def test_what_is_the_same_in_nearly_all_documents_is_told_in_words() -> None:
    nearly = {"edges": [0.0, 0.0], "lowest": 0.0, "highest": 0.25}
    assert measured._alike("hash_ratio", nearly) == "hash ratio (0, else 0 to 0.25)"
    assert measured._alike("hash_ratio", nearly | {"highest": 0.0}) == "hash ratio (0)"
