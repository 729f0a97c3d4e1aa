"""Thresholds fitted to a domain: published ones, widened until they cost hardly any text that is known to be good.

One quantile for all: a threshold becomes the value that only k of the N labelled training texts lie beyond, unless the
published one is wider; k is the largest for which no more than the allowed share falls to all rules together. So no
rule is widened more than the others for a few odd texts. Without labelled texts the corpus stands for itself: median ±
`deviations` · MAD (median absolute deviation), which half of the documents being bad would not move (Leys et al. 2013).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline_config.rule_presets import Step
from pipeline_config.rules import DomainRules, Rule
from tasks.curation.bounds import RATIOS, Bound, bounds
from tasks.curation.judge import judge
from tasks.curation.rules.verdict import Measured

RULES = "rules.json"
_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
_DECIMALS = 4  # fitted shares and ratios are rounded outward to so many

Limit = Callable[[Bound], float]
"""How far a bound must reach, whatever was published."""


@dataclass(frozen=True)
class Fitted:
    """What one `domain` entry came to."""

    labelled: int
    """Labelled training texts that it was fitted to; 0: to the corpus."""
    dropped: int
    """How many of these fall to all its rules together."""
    thresholds: tuple[dict[str, Any], ...]
    """Of each bound the step, the measure, the setting, and the threshold as published and as fitted."""


def fit(steps: Sequence[Step], training: Measured, measured: Measured) -> tuple[tuple[Step, ...], tuple[Fitted, ...]]:
    """The steps with fitted thresholds, in the same order; all others stay as they are.

    `training` holds the statistics of the labelled training texts, `measured` those of the documents that
    state is fitted to.
    """
    entries = list({id(step.fitted_by): step.fitted_by for step in steps if step.fitted_by}.values())
    results, told = list(steps), []
    for entry in entries:
        own = [at for at, step in enumerate(steps) if step.fitted_by is entry]
        published = [steps[at] for at in own]
        if len(training["words"]):
            rules, dropped = _to_labelled(entry, [step.rule for step in published], training)
        else:
            rules, dropped = _to_corpus(entry, [step.rule for step in published], measured), 0
        for at, rule in zip(own, rules, strict=True):
            results[at] = replace(steps[at], rule=rule)
        changes = (
            {
                "step": step.name,
                "measure": bound.measure,
                "setting": bound.field,
                "published": bound.value(step.rule),
                "fitted": bound.value(rule),
            }
            for step, rule in zip(published, rules, strict=True)
            for bound in bounds(rule)
        )
        told.append(Fitted(len(training["words"]), dropped, tuple(changes)))
    return tuple(results), tuple(told)


def cost(rules: Sequence[Rule], training: Measured) -> int:
    """How many labelled texts fall to all these rules together; whatever sources the rules are for."""
    dropped = np.zeros(len(training["words"]), bool)
    for rule in rules:
        dropped |= judge(rule.model_copy(update={"sources": ()}), training).drop
    return int(dropped.sum())


def _to_labelled(entry: DomainRules, rules: list[Rule], training: Measured) -> tuple[list[Rule], int]:
    allowed = math.floor(entry.maximum_cost * len(training["words"]))
    ordered: dict[str, NDArray[Any]] = {}

    def limit(beyond: int) -> Limit:
        def value(bound: Bound) -> float:
            if bound.measure not in ordered:
                ordered[bound.measure] = np.sort(training[bound.measure])
            return float(ordered[bound.measure][-1 - beyond if bound.upper else beyond])

        return value

    low, high = 0, min(allowed, len(training["words"]) - 1)
    while low < high:  # the more texts lie beyond each, the more fall to all together
        middle = (low + high + 1) // 2
        if cost([_widened(rule, limit(middle)) for rule in rules], training) <= allowed:
            low = middle
        else:
            high = middle - 1
    widened = [_widened(rule, limit(low)) for rule in rules]
    return widened, cost(widened, training)


def _to_corpus(entry: DomainRules, rules: list[Rule], measured: Measured) -> list[Rule]:
    judged = np.isin(measured["source"].astype(str), entry.sources) if entry.sources else slice(None)

    def limit(bound: Bound) -> float:
        values = measured[bound.measure][judged]
        if not len(values):
            return -np.inf if bound.upper else np.inf  # leaves the published one
        median = np.median(values)
        reach = entry.deviations * np.median(np.abs(values - median))
        return float(median + reach if bound.upper else median - reach)

    report_only = entry.report_only or not entry.confirmed
    return [_widened(rule, limit).model_copy(update={"report_only": report_only}) for rule in rules]


def _widened(rule: Rule, limit: Limit) -> Rule:
    changed: dict[str, Any] = rule.model_dump()
    for bound in bounds(rule):
        setting = changed[bound.field]
        old = bound.value(rule)
        new = max(old, limit(bound)) if bound.upper else min(old, limit(bound))
        if new == old:
            continue
        value = _outward(new, bound, whole=isinstance(setting, int))
        if bound.position is None:
            changed[bound.field] = value
        else:
            changed[bound.field] = (*setting[: bound.position], value, *setting[bound.position + 1 :])
    return _RULE.validate_python(changed)


def _outward(value: float, bound: Bound, *, whole: bool) -> float | int:
    """Rounded away from what stays, but within what the setting may be."""
    scale = 1 if whole else 10**_DECIMALS
    rounded = max(0, (math.ceil if bound.upper else math.floor)(value * scale))
    if whole:
        return rounded
    return (rounded if bound.measure in RATIOS else min(rounded, scale)) / scale


def write_rules(steps: Sequence[Step], folder: Path) -> None:
    """What judged, for those who come after: each step's name and rule, its thresholds as fitted."""
    rows = [{"name": step.name, "rule": step.rule.model_dump(mode="json")} for step in steps]
    (folder / RULES).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_rules(folder: Path) -> tuple[Step, ...]:
    rows = json.loads((folder / RULES).read_text(encoding="utf-8"))
    return tuple(Step(row["name"], _RULE.validate_python(row["rule"])) for row in rows)
