"""Sets of rules: names of steps, exact thresholds, and thresholds that are fitted to labelled texts."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline_config.rule_presets import DOMAIN_START, Step, steps
from pipeline_config.rules import MODEL_RULES, DomainRules, LoremIpsumRule, PresetRules, Rule
from pipeline_config.selection import SelectConfig
from tasks.curation.bounds import bounds
from tasks.curation.domain import Fitted, cost, fit, read_rules, write_rules
from tasks.curation.judge import judge
from tasks.curation.measures.statistics import statistics
from tasks.curation.rules.verdict import Measured

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
RULES: tuple[type[Any], ...] = get_args(get_args(Rule)[0])
NO_TEXTS = statistics([])


def listed(*rules: dict[str, Any]) -> tuple[Step, ...]:
    return steps(SelectConfig.model_validate({"rules": rules}).rules)


def preset(name: str) -> dict[str, Rule]:
    return {step.name: step.rule for step in listed({"kind": "preset", "name": name})}


def test_every_step_has_a_name_of_its_own():
    found = listed(
        {"kind": "language"},
        {"kind": "preset", "name": "gopher_quality"},
        {"kind": "language", "sources": ["docs"]},
        {"kind": "language", "name": "language_2"},
        {"kind": "word_count", "name": "fragments"},
        {"kind": "word_count"},
    )
    assert [step.name for step in found] == [
        *("language", "word_count", "mean_word_length", "symbols", "bullet_lines", "ellipsis_lines"),
        *("alphabetic_words", "stop_words", "language_3", "language_2", "fragments", "word_count_2"),
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("short", "short"), r"rules\.1\.name='short' is the name of rules\.0 too; choose another"),
        (("near",), r"rules\.0\.name='near' has a meaning already"),
        (("kept",), r"rules\.0\.name='kept' has a meaning already .* choose another"),
        (("fine", "clean"), r"rules\.1\.name='clean' has a meaning already"),
        (("near_duplicates",), r"rules\.0\.name='near_duplicates' has a meaning already"),
        (("No Name",), "should match pattern"),
    ],
)
def test_a_name_that_is_taken_is_refused(names: tuple[str, ...], message: str):
    with pytest.raises(ValidationError, match=message):
        listed(*({"kind": "word_count", "name": name} for name in names))


@pytest.mark.parametrize("kind", ["word_count", "mean_word_length"])
def test_a_range_that_holds_nothing_is_refused(kind: str):
    with pytest.raises(ValidationError, match=r"minimum=50(\.0)? is above maximum=10(\.0)?: no document can have both"):
        listed({"kind": kind, "minimum": 50, "maximum": 10})
    with pytest.raises(ValidationError, match=r"minimum=200000(\.0)? is above maximum"):  # the default
        listed({"kind": kind, "minimum": 200_000})
    listed({"kind": kind, "minimum": 10, "maximum": 10})


def test_what_a_preset_says_of_itself_goes_to_its_rules():
    found = listed({"kind": "preset", "name": "ccnet", "sources": ["docs"], "report_only": True})
    assert {(step.rule.sources, step.rule.report_only) for step in found} == {(("docs",), True)}
    on = preset("ccnet")
    assert [name for name, rule in on.items() if rule.report_only] == ["perplexity"]


@pytest.mark.parametrize(
    ("name", "kept", "dropped", "rule"),
    [  # the last text that a published threshold keeps, the first that it drops
        ("gopher_quality", "have the" + " abc" * 48, "have the" + " abc" * 47, "word_count"),
        ("gopher_quality", "have the" + " 1abcdefgh1" * 60, "have the" + " 1abcdefghi1" * 60, "mean_word_length"),
        ("gopher_quality", "the" + " have" * 44 + " a#" * 5, "the" + " have" * 44 + " a#" * 6, "symbols"),
        (
            "gopher_quality",
            "the" + " have" * 47 + " 1234" * 12,
            "the" + " have" * 47 + " 1234" * 13,
            "alphabetic_words",
        ),
        ("gopher_quality", "The" + " have" * 50, "the" + " tree" * 50, "stop_words"),
        ("gopher_quality", "- have the\n" * 18 + "with\n" * 50, "- have the\n" * 28 + "with\n" * 3, "bullet_lines"),
        (
            "gopher_quality",
            "have it…\n" * 3 + "the more\n" * 40,
            "have it…\n" * 8 + "the more\n" * 18,
            "ellipsis_lines",
        ),
        ("c4", "A. B. C. D! E?", "A. B. C. D!", "sentences"),
        ("c4", "A. B. C. D! E?", "A. B. C. D! {E?", "curly_braces"),
        ("ccnet", "x" * 300, "x" * 299, "characters"),
        (
            "fineweb",
            "a long line of words.\n" + "b c " * 40,
            "a long line of words\n" + "b c " * 40,
            "line_punctuation",
        ),
    ],
)
def test_a_published_threshold(name: str, kept: str, dropped: str, rule: str):
    verdict = judge(preset(name)[rule], statistics([kept, dropped]))
    assert verdict.drop.tolist() == [False, True]


@pytest.mark.parametrize("name", ["c4", "fineweb"])
def test_a_word_too_long_costs_the_line_and_not_the_document(name: str):
    """A line filter in C4's code and in datatrove's, which FineWeb was made with."""
    measured = statistics(["A. B. C. D! E? " + "x" * 1001])
    assert set(preset("c4")) <= set(preset(name))
    assert not any(judge(rule, measured).drop[0] for rule in preset("c4").values())
    assert "longest_word" not in preset(name)


def test_thresholds_of_repetition_are_those_of_the_paper():
    rules = preset("gopher_repetition")
    settings = {name: [bound.value(rule) for bound in bounds(rule)] for name, rule in rules.items()}
    assert settings == {
        "duplicate_lines": [0.30, 0.20],
        "duplicate_paragraphs": [0.30, 0.20],
        "top_ngrams": [0.20, 0.18, 0.16],
        "duplicate_ngrams": [0.15, 0.14, 0.13, 0.12, 0.11, 0.10],
    }
    fineweb = preset("fineweb")
    assert {name: rule for name, rule in fineweb.items() if name in rules} == rules
    last = fineweb["duplicate_lines_2"]
    assert [bound.value(last) for bound in bounds(last)] == [1, 0.01]
    assert [bound.value(fineweb[name]) for name in ("short_lines", "newlines") for bound in bounds(fineweb[name])] == [
        0.67,
        0.3,
    ]


@pytest.mark.parametrize("section", RULES, ids=lambda section: section.__name__)
def test_a_bound_is_where_the_verdict_turns(section: type[Any]):
    """Every setting that `bounds` names decides about the measure that it names; every rule of numbers has bounds."""
    kind = get_args(section.model_fields["kind"].annotation)[0]
    rule = RULE.validate_python({"kind": kind})
    if isinstance(rule, (*MODEL_RULES, LoremIpsumRule)):
        return
    assert bounds(rule)
    for bound in bounds(rule):
        at = bound.value(rule)
        one = {name: np.repeat(values, 2) for name, values in statistics(["Plain words of a text."]).items()}
        for other in bounds(rule):
            one[other.measure] = np.repeat(other.value(rule), 2)
        one[bound.measure] = np.array([at, at + (1e-9 if bound.upper else -1e-9)])
        assert judge(rule, one).drop.tolist() == [False, True], bound


SHORT = [f"Requirement {number} says that backups are to be kept." for number in range(99)]
ODD = "{ } " * 40


def fitted(training: list[str], corpus: Measured = NO_TEXTS, **settings: Any) -> tuple[tuple[Step, ...], Fitted]:
    found, told = fit(listed({"kind": "word_count"}, {"kind": "domain", **settings}), statistics(training), corpus)
    assert found[0].rule == RULE.validate_python({"kind": "word_count"})  # of no domain: as it was
    return found[1:], told[0]


def test_thresholds_are_widened_until_labelled_texts_stay():
    rules, told = fitted([*SHORT, ODD])
    assert (told.labelled, told.dropped) == (100, 1)  # the odd one of a hundred may fall
    assert cost([step.rule for step in rules], statistics(SHORT)) == 0
    values = {(row["step"], row["measure"]): (row["published"], row["fitted"]) for row in told.thresholds}
    assert values["word_count_2", "words"] == (100_000, 100_000)  # the upper one: no text is that long
    assert rules[0].rule.model_dump(include={"minimum", "maximum"}) == {"minimum": 9, "maximum": 100_000}
    assert values["sentences", "sentences"] == (5, 1)
    assert values["curly_braces", "curly_braces"] == (0, 0)
    assert values["alphabetic_words", "alphabetic_words"] == (0.8, 0.8)  # the 101st to be odd would widen it
    strict, told = fitted([*SHORT, ODD], maximum_cost=0)
    assert told.dropped == 0
    assert {(row["measure"], row["fitted"]) for row in told.thresholds} >= {("curly_braces", 80), ("sentences", 0)}
    assert cost([step.rule for step in strict], statistics([*SHORT, ODD])) == 0


def test_the_share_holds_for_all_rules_together():
    """Ten odd texts, each odd in its own way: each rule alone would cost 1 %, all together 10 %."""
    odd = ["{", "# # #", "lines\n" * 9, "a b", "1 2 3 4 5 6", "- a\n- b\n- c", "x" * 40, "wait…", "no end", "the " * 30]
    training = [*SHORT[:90], *odd]
    for allowed in (0, 1, 3, 10):
        rules, told = fitted(training, maximum_cost=allowed / 100)
        assert told.dropped == cost([step.rule for step in rules], statistics(training)) <= allowed


def test_without_labelled_texts_the_corpus_tells_and_nothing_is_dropped_until_confirmed():
    texts = ["word " * size for size in (8, 10, 12, 14, 100)]  # median 12, absolute deviations 4, 2, 0, 2, 88
    corpus = {**statistics(texts), "source": np.array(["docs"] * 5)}
    rules, told = fitted([], corpus, deviations=3)
    assert (told.labelled, rules[0].rule.model_dump()["minimum"]) == (0, 6)  # 12 − 3 · 2
    assert all(step.rule.report_only for step in rules)
    confirmed, _ = fitted([], corpus, deviations=3, confirmed=True)
    assert not any(step.rule.report_only for step in confirmed)
    elsewhere, _ = fitted([], corpus, sources=["notes"])  # no such document
    assert elsewhere[0].rule.model_dump()["minimum"] == 50


def test_rules_are_read_back_as_they_judged(tmp_path: Any):
    rules, _ = fitted(SHORT)
    write_rules(rules, tmp_path)
    assert [(step.name, step.rule) for step in read_rules(tmp_path)] == [(step.name, step.rule) for step in rules]


def test_every_rule_of_the_domain_can_be_fitted_or_has_no_threshold():
    assert [rule.kind for rule in DOMAIN_START if not bounds(rule)] == ["lorem_ipsum"]
    assert DomainRules(kind="domain").maximum_cost == 0.01
    assert PresetRules(kind="preset", name="c4").report_only is False
