"""What was measured of the documents, with the thresholds of rules, and what each rule costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline_config.rule_presets import steps as rule_steps
from pipeline_config.rules import LanguageRule
from pipeline_config.selection import SelectConfig
from tasks.report.charts.distribution import Threshold, distribution
from tasks.report.material import Absent, Material
from tasks.report.wording import count, number
from tasks.runtime.artifact import LINEAGE

ABOUT = ("bytes", "characters", "shingle_words")  # lengths again: `words` is shown


def build(material: Material) -> dict[str, Any]:
    measures, corpus = material.node("measure"), material.nodes.get("select")
    found = measures.metrics.get("histograms")
    if not found:
        raise Absent("These measures were made before their distribution was kept.")
    steps = [step for step in corpus.metrics["steps"] if "alone" in step] if corpus else []
    bounds: dict[str, list[tuple[str, Threshold, bool]]] = {}
    for step in steps:
        for measure, threshold in _thresholds(step):
            bounds.setdefault(measure, []).append((step["step"], threshold, step["report_only"]))
    for name, threshold, report_only in _of_languages(corpus.manifest.config) if corpus else ():
        bounds.setdefault("language_score", []).append((name, threshold, report_only))
    shown = [
        _drawn(name, spread, bounds.get(name, []))
        for name, spread in found.items()
        if len(spread["counts"]) > 1 and name not in ABOUT
    ]
    nearly = [name for name, spread in found.items() if len(spread["counts"]) == 1 and name not in ABOUT]
    lineage = measures.metrics.get(LINEAGE, {})
    return {
        "documents": measures.metrics["documents"],
        "lineage": lineage if lineage.get("version") else None,
        "same": [_alike(name, found[name]) for name in nearly],
        "pictures": sorted(shown, key=lambda one: not one["rules"]),
        "quantiles": [
            {"name": step["step"].replace("_", " "), **cell, "range": _range(*cell["bytes"])}
            for step in steps
            for cell in step.get("fitted", ())
            if "low" in cell
        ],
        "rules": [
            {
                "name": step["step"].replace("_", " "),
                "alone": step["alone"]["documents"],
                "first": step["documents"],
                "labelled": step.get("labelled"),
                "on": not step["report_only"],
            }
            for step in steps
        ],
        "fitted": [
            {**one, "thresholds": [row for row in one["thresholds"] if row["published"] != row["fitted"]]}
            for one in (corpus.metrics.get("fitted", ()) if corpus else ())
        ],
    }


def _thresholds(step: dict[str, Any]) -> Iterator[tuple[str, Threshold]]:
    """By measure. Of quantiles those of the language and length that most documents have: each has its own."""
    for bound in step.get("bounds", ()):
        yield bound["measure"], Threshold(bound["at"], bound["upper"])
    cells = step.get("fitted", ())
    if step["kind"] == "perplexity" and cells:
        cell = max(cells, key=lambda one: one["documents"])
        for side in ("low", "high"):
            if cell[side] is not None:
                yield "bits_per_byte", Threshold(cell[side], upper=side == "high")
    elif step["kind"] == "relevance" and cells:
        yield "relevance", Threshold(cells[0]["threshold"], upper=False)


def _of_languages(config: dict[str, Any]) -> Iterator[tuple[str, Threshold, bool]]:
    """Which score bounds a document follows from its language, so each is told with the languages that it is for."""
    for step in rule_steps(SelectConfig.model_validate(config).rules):
        if isinstance(rule := step.rule, LanguageRule):
            wanted = " and ".join(rule.languages)
            yield f"{step.name}, all but {wanted}", Threshold(rule.foreign_score, upper=True), rule.report_only
            if rule.min_score > 0:
                yield f"{step.name}, {wanted}", Threshold(rule.min_score, upper=False), rule.report_only


def _range(low: int, high: int | None) -> str:
    return f"from {count(low)}" if high is None else f"{count(low)} to {count(high - 1)}"


def _alike(name: str, spread: dict[str, Any]) -> str:
    """Of a measure that is the same in 99 of 100 documents: its value, and how far the others reach."""
    value, low, high = number(spread["edges"][0]), number(spread["lowest"]), number(spread["highest"])
    reach = "" if low == high else f", else {low} to {high}"
    return f"{name.replace('_', ' ')} ({value}{reach})"


def _drawn(name: str, spread: dict[str, Any], bounds: list[tuple[str, Threshold, bool]]) -> dict[str, Any]:
    said = name.replace("_", " ")
    most = max(range(len(spread["counts"])), key=lambda at: spread["counts"][at])
    description = (
        f"From {number(spread['lowest'])} to {number(spread['highest'])}; most documents, "
        f"{count(spread['counts'][most])}, from {number(spread['edges'][most])} to {number(spread['edges'][most + 1])}."
    )
    picture = distribution(
        f"measure-{name}",
        spread["edges"],
        spread["counts"],
        [threshold for _, threshold, _ in bounds],
        logarithmic=spread["logarithmic"],
        title=f"How many documents have which {said}",
        description=description,
    )
    rules = [f"{step.replace('_', ' ')}{' (report only)' if report_only else ''}" for step, _, report_only in bounds]
    return {"name": said, "picture": picture, "rules": list(dict.fromkeys(rules)), "logarithmic": spread["logarithmic"]}
