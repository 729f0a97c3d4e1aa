"""One-sentence documents and the reason for which each rule drops them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline_config.rule_presets import DOMAIN
from pipeline_config.rules import Rule
from tasks.curation.judge import judge
from tasks.curation.measures.statistics import statistics

GOOD = "Rotate the access keys of every user at least once in ninety days, and log who did it."
RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def measured(texts: list[str], **more: list[Any]) -> dict[str, np.ndarray]:
    columns = {
        "language": ["en"] * len(texts),
        "language_score": [0.9] * len(texts),
        "bits_per_byte": [2.0] * len(texts),
    }
    columns["source"] = ["docs"] * len(texts)
    return {**statistics(texts), **{name: np.array(values) for name, values in {**columns, **more}.items()}}


@pytest.mark.parametrize(
    ("config", "text", "reason", "value", "threshold"),
    [
        ({"kind": "word_count"}, "The tags.", "words: too low", 2, 3),
        ({"kind": "word_count", "maximum": 5}, GOOD, "words: too high", 18, 5),
        ({"kind": "mean_word_length", "maximum": 10}, "x" * 30 + " yy", "mean word length: too high", 16, 10),
        ({"kind": "mean_word_length"}, "a b c d", "mean word length: too low", 1, 2),
        ({"kind": "longest_word"}, "x" * 1001, "longest word: too high", 1001, 1000),
        ({"kind": "symbols"}, "# one # two # three", "# per word: too high", 0.5, 0.1),
        ({"kind": "symbols"}, "one … two …", "ellipses per word: too high", 0.5, 0.1),
        ({"kind": "alphabetic_words"}, "1 2 3 4 five", "words with a letter: too low", 0.2, 0.3),
        ({"kind": "stop_words"}, "Enable the firewall", "stop words: too low", 1, 2),
        ({"kind": "special_characters"}, "=====---text", "special characters: too high", 8 / 12, 0.3),
        ({"kind": "bullet_lines"}, "- one\n- two", "bullet lines: too high", 1, 0.9),
        ({"kind": "ellipsis_lines"}, "Read more...", "lines ending in an ellipsis: too high", 1, 0.3),
        ({"kind": "code_lines"}, "int a;\nint b;", "lines ending like code: too high", 1, 0.8),
        ({"kind": "line_punctuation"}, "Home\nAbout us", "lines ending in punctuation: too low", 0, 0.12),
        ({"kind": "short_lines"}, "Home\nAbout us", "short lines: too high", 1, 0.67),
        ({"kind": "newlines"}, "a\nb\nc", "line feeds per word: too high", 2 / 3, 0.3),
        ({"kind": "duplicate_lines"}, "same\nsame\nother", "duplicate lines: too high", 1 / 3, 0.3),
        (
            {"kind": "duplicate_lines"},
            "a longer line\na longer line\nb\nc",
            "characters in duplicate lines: too high",
            13 / 31,
            0.2,
        ),
        ({"kind": "duplicate_paragraphs"}, "same\n\nsame\n\nother", "duplicate paragraphs: too high", 1 / 3, 0.3),
        ({"kind": "top_ngrams"}, "a b a b c", "most frequent 2-gram: too high", 6 / 9, 0.2),
        ({"kind": "duplicate_ngrams"}, "a b c d e a b c d e", "duplicate 5-grams: too high", 5 / 19, 0.15),
        ({"kind": "sentences"}, "One. Two.", "sentences: too low", 2, 5),
        ({"kind": "curly_braces"}, "Set {a: b}", "curly braces: too high", 2, 0),
        ({"kind": "lorem_ipsum"}, "Lorem ipsum dolor sit amet", "lorem ipsum: too high", 1, 0),
    ],
)
def test_a_rule_says_why(config: dict[str, Any], text: str, reason: str, value: float, threshold: float):
    verdict = judge(RULE.validate_python(config), measured([text]))
    assert verdict.drop.tolist() == [True]
    assert verdict.reasons[verdict.reason[0]] == reason
    assert (verdict.value[0], verdict.threshold[0]) == pytest.approx((value, threshold))


def test_every_rule_of_the_domain_keeps_a_plain_sentence():
    assert not any(judge(rule, measured([GOOD])).drop.any() for rule in DOMAIN)


def test_language_drops_what_is_confidently_foreign_and_what_is_hardly_wanted():
    texts = measured(["a"] * 5, language=["en", "fr", "fr", "en", "de"], language_score=[0.9, 0.9, 0.4, 0.2, 0.65])
    verdict = judge(RULE.validate_python({"kind": "language", "min_score": 0.3}), texts)
    reasons = [
        verdict.reasons[reason] if drop else "" for drop, reason in zip(verdict.drop, verdict.reason, strict=True)
    ]
    assert reasons == ["", "language: fr, wanted en", "", "language: hardly en", "language: de, wanted en"]
    assert verdict.threshold[verdict.drop].tolist() == [0.65, 0.3, 0.65]
    both = judge(RULE.validate_python({"kind": "language", "languages": ["en", "fr"]}), texts)
    assert both.drop.tolist() == [False, False, False, False, True]


def test_perplexity_cuts_both_tails_of_the_documents_it_judges():
    bits = [float(value) for value in range(100)]
    texts = measured(["one two"] * 100, bits_per_byte=bits, source=["a"] * 50 + ["b"] * 50)
    rule = {"kind": "perplexity", "low_quantile": 0.1, "high_quantile": 0.9, "min_documents": 50}
    assert np.flatnonzero(judge(RULE.validate_python(rule), texts).drop).tolist() == [*range(10), *range(90, 100)]
    half = judge(RULE.validate_python(rule | {"sources": ["b"]}), texts)
    assert np.flatnonzero(half.drop).tolist() == [*range(50, 55), *range(95, 100)]
    assert half.threshold[50] == 55


def test_perplexity_reports_only_until_it_is_told_to_drop():
    assert RULE.validate_python({"kind": "perplexity"}).report_only


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["en", "de", "fr"]), st.sampled_from([10, 900])),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from([0.0, 0.01, 0.07, 0.1, 0.3]),
    st.sampled_from([0.5, 0.9, 0.93, 0.99, 1.0]),
    st.integers(1, 30),
)
def test_perplexity_takes_no_more_of_a_cell_than_its_share(
    rows: list[tuple[int, str, int]], low: float, high: float, minimum: int
):
    """By counting: in hundredths, so that nothing is rounded."""
    bits, languages, sizes = (list(column) for column in zip(*rows, strict=True))
    texts = measured(["x"] * len(rows), bits_per_byte=np.array(bits, float), language=languages, bytes=sizes)
    rule = {"kind": "perplexity", "low_quantile": low, "high_quantile": high, "min_documents": minimum}
    verdict = judge(RULE.validate_python(rule), texts)
    for size in (10, 900):
        groups: dict[str, list[int]] = {}
        for at, (_, language, own) in enumerate(rows):
            if own == size:
                large = [row[1:] for row in rows].count((language, size)) >= minimum
                groups.setdefault(language if large else "others", []).append(at)
        for members in groups.values():
            under, over = ([at for at in members if verdict.drop[at] and verdict.reason[at] == tail] for tail in (0, 1))
            if len(members) < minimum:
                assert not under
                assert not over
                continue
            most_under = round(100 * low) * len(members) // 100
            most_over = (100 - round(100 * high)) * len(members) // 100
            assert len(under) <= most_under
            assert len(over) <= most_over
            ordered = sorted(bits[at] for at in members)
            if len(set(ordered)) == len(ordered):  # else equal ones stay together
                assert (len(under), len(over)) == (most_under, most_over)


def test_perplexity_has_quantiles_of_its_own_for_each_language_and_length():
    """English from 0 to 99, German from 1000 to 1099, both short; long English from 500; two Danish ones alone."""
    texts = measured(
        ["x"] * 302,
        bits_per_byte=[*map(float, range(100)), *map(float, range(1000, 1100)), *map(float, range(500, 600)), 7.0, 9.0],
        language=["en"] * 100 + ["de"] * 100 + ["en"] * 100 + ["da"] * 2,
        bytes=[50] * 199 + [199] + [200] * 100 + [50] * 2,
    )
    rule = {
        "kind": "perplexity",
        "low_quantile": 0.01,
        "high_quantile": 0.99,
        "length_edges": [200],
        "min_documents": 3,
    }
    verdict = judge(RULE.validate_python(rule), texts)
    assert np.flatnonzero(verdict.drop).tolist() == [0, 99, 100, 199, 200, 299]
    assert [verdict.reasons[reason] for reason in verdict.reason[[0, 99]]] == [
        "bits per byte: too low",
        "bits per byte: too high",
    ]
    found = [(cell["language"], cell["bytes"], cell["documents"]) for cell in verdict.fitted]
    assert found == [("de", [0, 200], 100), ("en", [0, 200], 100), ("en", [200, None], 100)]
    assert [verdict.fitted[1]["low"], verdict.fitted[1]["high"]] == [1, 98]
    pooled = judge(RULE.validate_python(rule | {"min_documents": 101}), texts)
    assert [(cell["language"], cell["documents"]) for cell in pooled.fitted] == [("others", 202)]
    assert not pooled.drop[200:300].any()
    none = judge(RULE.validate_python(rule | {"low_quantile": 0.0, "high_quantile": 0.999}), texts)
    assert (none.fitted[0]["low"], none.fitted[0]["high"], none.drop.any()) == (None, None, False)


def test_perplexity_judges_what_came_later_by_the_quantiles_of_the_population():
    rule = RULE.validate_python({"kind": "perplexity", "low_quantile": 0.0, "high_quantile": 0.9, "min_documents": 10})
    known = measured(["x"] * 10, bits_per_byte=[float(value) for value in range(1, 11)], language=["en"] * 10)
    later = measured(["x"] * 4, bits_per_byte=[0.0, 9.0, 9.5, 99.0], language=["en", "en", "en", "fr"])
    assert judge(rule, later, known).drop.tolist() == [False, False, True, False]  # 0 = nothing; French: too few


def test_edges_that_do_not_ascend_are_refused():
    with pytest.raises(ValidationError, match=r"length_edges=\[500, 500\] must ascend"):
        RULE.validate_python({"kind": "perplexity", "length_edges": [500, 500]})


@pytest.mark.parametrize(
    ("rule", "dropped", "threshold"),
    [
        ({"keep": 0.5, "by": "documents"}, [0, 3], 0.5),
        ({"keep": 0.5}, [0, 2, 3, 4], 0.9),  # one document has 60 of 100 bytes
        ({"keep": 0.61}, [0, 3], 0.5),  # equal scores stay together
        ({"keep": 0.81}, [3], 0.3),
        ({"keep": 1}, [], 0.1),
    ],
)
def test_relevance_keeps_the_best_part(rule: dict[str, Any], dropped: list[int], threshold: float):
    texts = measured(["x"] * 5, relevance=[0.3, 0.9, 0.5, 0.1, 0.5], bytes=[10, 60, 10, 10, 10])
    verdict = judge(RULE.validate_python({"kind": "relevance", **rule}), texts)
    assert np.flatnonzero(verdict.drop).tolist() == dropped
    assert verdict.fitted == ({"threshold": threshold, "documents": 5 - len(dropped), "judged": 5},)


def test_a_rule_leaves_alone_what_it_does_not_judge():
    texts = measured(["# # #", "# # # # #", "# # # # #"], source=["a", "a", "b"])
    rule = RULE.validate_python({"kind": "symbols", "min_words": 4, "sources": ["a"]})
    assert judge(rule, texts).drop.tolist() == [False, True, False]
    lines = RULE.validate_python({"kind": "ellipsis_lines", "min_lines": 2})
    assert judge(lines, measured(["a...", "a...\nb..."])).drop.tolist() == [False, True]


def test_quantiles_out_of_order_are_refused():
    with pytest.raises(ValidationError, match=r"low_quantile=0\.9 must be below"):
        RULE.validate_python({"kind": "perplexity", "low_quantile": 0.9, "high_quantile": 0.1})
