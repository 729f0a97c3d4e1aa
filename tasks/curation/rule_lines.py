"""What each rule says of one document: its stored measures, the thresholds as fitted, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_config.rule_presets import Step
from pipeline_config.rules import LanguageRule, LoremIpsumRule, PerplexityRule, RelevanceRule, Rule
from tasks.curation.bounds import bounds
from tasks.curation.judge import judge
from tasks.curation.rules.perplexity import OTHERS


@dataclass(frozen=True)
class _Limit:
    measure: str
    low: float | None = None
    high: float | None = None

    def breaks(self, value: float) -> bool:
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)


def rule_lines(steps: Sequence[Step], funnel: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Iterator[str]:
    """A phrase for each of the `steps` (thresholds as fitted). `row`: the measures of a document; `funnel`: the steps
    of its corpus, with what rules over quantiles fitted."""
    fitted = {step["step"]: step.get("fitted", ()) for step in funnel}
    for step in steps:
        name = step.name + (" (report only)" if step.rule.report_only else "")
        if why := _unjudged(step.rule, fitted.get(step.name, ()), row):
            yield f"{name}: not judged, {why}"
            continue
        limits = list(_limits(step.rule, fitted.get(step.name, ()), row))
        told = ", ".join(_told(limit, row) for limit in limits)
        if isinstance(step.rule, LanguageRule):
            told = f"{row['language']}, wanted {' or '.join(step.rule.languages)}; {told}"
        drops = _drops(step.rule, limits, row)
        yield f"{name}: {told}" + ("; would drop" if drops and step.rule.report_only else "; drops" if drops else "")


def _unjudged(rule: Rule, fitted: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> str:
    if rule.sources and row["source"] not in rule.sources:
        return f"it is for {', '.join(rule.sources)}"
    if row["words"] < rule.min_words:
        return f"fewer than {rule.min_words} words"
    if row["lines"] < rule.min_lines:
        return f"fewer than {rule.min_lines} lines"
    if isinstance(rule, PerplexityRule) and _cell(fitted, row) is None:
        return f"fewer than {rule.min_documents} documents to compare it with"
    return ""


def _limits(rule: Rule, fitted: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Iterator[_Limit]:
    match rule:
        case PerplexityRule():
            if cell := _cell(fitted, row):
                yield _Limit("bits_per_byte", cell["low"], cell["high"])
        case RelevanceRule():
            yield _Limit("relevance", fitted[0]["threshold"])
        case LanguageRule():
            wanted = row["language"] in rule.languages
            yield _Limit("language_score", *((rule.min_score, None) if wanted else (None, rule.foreign_score)))
        case LoremIpsumRule():
            yield _Limit("lorem_ipsum", high=0)
        case _:
            found = bounds(rule)
            for measure in dict.fromkeys(bound.measure for bound in found):
                own = {bound.upper: bound.value(rule) for bound in found if bound.measure == measure}
                yield _Limit(measure, own.get(False), own.get(True))


def _cell(fitted: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The quantiles of its language and length; none where documents are few."""
    here = [cell for cell in fitted if cell["bytes"][0] <= row["bytes"] < (cell["bytes"][1] or np.inf)]
    own = {cell["language"]: cell for cell in here}
    return own.get(row["language"], own.get(OTHERS))


def _drops(rule: Rule, limits: Sequence[_Limit], row: Mapping[str, Any]) -> bool:
    if isinstance(rule, PerplexityRule | RelevanceRule):  # their verdicts are places among all documents
        return any(limit.breaks(row[limit.measure]) for limit in limits)
    return bool(judge(rule, {name: np.array([value]) for name, value in row.items()}).drop[0])


def _told(limit: _Limit, row: Mapping[str, Any]) -> str:
    value = row[limit.measure]
    sides = [("≥", limit.low), ("≤" if limit.measure != "language_score" else "<", limit.high)]
    given = [(sign, bound) for sign, bound in sides if bound is not None]
    rounded = all(_number(value, 4) != _number(bound, 4) for _, bound in given)  # else it would look like its threshold
    digits = 4 if rounded else 9
    limits = ", ".join(f"{sign} {_number(bound, digits)}" for sign, bound in given) or "no bound"
    return f"{limit.measure} {_number(value, digits)} ({limits})"


def _number(value: float, digits: int) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.{digits}g}"
