"""Which measure each setting of a rule bounds: for fitting thresholds, and for drawing them into histograms."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_config.rules import (
    AlphabeticWordsRule,
    BulletLinesRule,
    CharactersRule,
    CodeLinesRule,
    CurlyBracesRule,
    DuplicateLinesRule,
    DuplicateNgramsRule,
    DuplicateParagraphsRule,
    EllipsisLinesRule,
    LinePunctuationRule,
    LongestWordRule,
    MeanWordLengthRule,
    NewlinesRule,
    Rule,
    SentencesRule,
    ShortLinesRule,
    SpecialCharactersRule,
    StopWordsRule,
    SymbolsRule,
    TopNgramsRule,
    ToxicityRule,
    WordCountRule,
)

RATIOS = frozenset(
    ["mean_word_length", "hash_ratio", "ellipsis_ratio", "newline_ratio", "top_2_gram", "top_3_gram", "top_4_gram"]
)
"""Measures that are neither counts nor shares: they may lie above 1."""


@dataclass(frozen=True)
class Bound:
    measure: str
    """The column that is bounded."""
    field: str
    """The setting that bounds it."""
    upper: bool
    position: int | None = None
    """In the setting's list, where it is one."""

    def value(self, rule: Rule) -> float:
        setting = getattr(rule, self.field)
        return float(setting if self.position is None else setting[self.position])


def _both(measure: str) -> tuple[Bound, ...]:
    return Bound(measure, "minimum", upper=False), Bound(measure, "maximum", upper=True)


def _most(measure: str, field: str = "maximum") -> tuple[Bound, ...]:
    return (Bound(measure, field, upper=True),)


def _least(measure: str) -> tuple[Bound, ...]:
    return (Bound(measure, "minimum", upper=False),)


def _each(name: str, sizes: range) -> tuple[Bound, ...]:
    return tuple(Bound(f"{name}_{n}_gram", "maximum", upper=True, position=at) for at, n in enumerate(sizes))


_BOUNDS: dict[type[Rule], tuple[Bound, ...]] = {
    CharactersRule: _least("characters"),
    WordCountRule: _both("words"),
    MeanWordLengthRule: _both("mean_word_length"),
    LongestWordRule: _most("longest_word"),
    SymbolsRule: _most("hash_ratio", "maximum_hashes") + _most("ellipsis_ratio", "maximum_ellipses"),
    AlphabeticWordsRule: _least("alphabetic_words"),
    StopWordsRule: _least("stop_words"),
    SpecialCharactersRule: _most("special_characters"),
    BulletLinesRule: _most("bullet_lines"),
    EllipsisLinesRule: _most("ellipsis_lines"),
    CodeLinesRule: _most("code_lines"),
    LinePunctuationRule: _least("punctuated_lines"),
    ShortLinesRule: _most("short_lines"),
    NewlinesRule: _most("newline_ratio"),
    DuplicateLinesRule: _most("duplicate_lines") + _most("duplicate_line_characters", "maximum_characters"),
    DuplicateParagraphsRule: _most("duplicate_paragraphs")
    + _most("duplicate_paragraph_characters", "maximum_characters"),
    TopNgramsRule: _each("top", range(2, 5)),
    DuplicateNgramsRule: _each("duplicate", range(5, 11)),
    SentencesRule: _least("sentences"),
    CurlyBracesRule: _most("curly_braces"),
    ToxicityRule: _most("toxicity"),
}


def bounds(rule: Rule) -> tuple[Bound, ...]:
    """None of a rule whose thresholds are no settings, or bound no measure alone."""
    return _BOUNDS.get(type(rule), ())
