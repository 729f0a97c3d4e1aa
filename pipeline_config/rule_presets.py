"""Published rules with their exact thresholds, and the steps that a list of rules and presets comes to.

- `c4` (Raffel et al. 2020, section 2.2, arXiv:1910.10683): at least 5 sentences, no curly brace, no lorem ipsum, no
  word of over 1 000 characters. Terminal punctuation, 3 words a line and lines about JavaScript or policies are the
  edit `drop_lines`.
- `gopher_quality` (Rae et al. 2021, table A1, arXiv:2112.11446): 50 to 100 000 words; mean word length 3 to 10; `#` and
  ellipses per word at most 0.1; bullet lines at most 0.9, lines that end with an ellipsis 0.3; words with a letter at
  least 0.8; at least 2 of {the, be, to, of, and, that, have, with}.
- `gopher_repetition` (as above): duplicate lines and paragraphs at most 0.30, their characters 0.20; the most frequent
  2-, 3-, 4-gram 0.20, 0.18, 0.16; duplicate 5- to 10-grams 0.15, 0.14, 0.13, 0.12, 0.11, 0.10.
- `fineweb` (Penedo et al. 2024, section 3, arXiv:2406.17557): English at 0.65; Gopher's repetition and quality; C4
  without its punctuation rule; lines that end with punctuation at least 0.12; lines of at most 30 characters 0.67; line
  feeds per word 0.3; characters in duplicate lines 0.01 (as released; the paper has 0.1).
- `ccnet` (Wenzek et al. 2020, arXiv:1911.00359): at least 300 characters, English at 0.5, and what is above the 60th
  percentile of perplexity (its tail; the 30th parts head from middle) is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from pipeline_config.rules import (
    AlphabeticWordsRule,
    BulletLinesRule,
    CharactersRule,
    CodeLinesRule,
    CurlyBracesRule,
    DomainRules,
    DuplicateLinesRule,
    DuplicateNgramsRule,
    DuplicateParagraphsRule,
    EllipsisLinesRule,
    LanguageRule,
    LinePunctuationRule,
    LongestWordRule,
    LoremIpsumRule,
    MeanWordLengthRule,
    NewlinesRule,
    PerplexityRule,
    PresetRules,
    Rule,
    RuleEntry,
    SentencesRule,
    ShortLinesRule,
    SpecialCharactersRule,
    StopWordsRule,
    SymbolsRule,
    TopNgramsRule,
    WordCountRule,
)

C4: tuple[Rule, ...] = (
    SentencesRule(kind="sentences", minimum=5),
    CurlyBracesRule(kind="curly_braces", maximum=0),
    LoremIpsumRule(kind="lorem_ipsum"),
    LongestWordRule(kind="longest_word", maximum=1000),
)

GOPHER_QUALITY: tuple[Rule, ...] = (
    WordCountRule(kind="word_count", minimum=50, maximum=100_000),
    MeanWordLengthRule(kind="mean_word_length", minimum=3, maximum=10),
    SymbolsRule(kind="symbols", maximum_hashes=0.1, maximum_ellipses=0.1),
    BulletLinesRule(kind="bullet_lines", maximum=0.9),
    EllipsisLinesRule(kind="ellipsis_lines", maximum=0.3),
    AlphabeticWordsRule(kind="alphabetic_words", minimum=0.8),
    StopWordsRule(kind="stop_words", minimum=2),
)

GOPHER_REPETITION: tuple[Rule, ...] = (
    DuplicateLinesRule(kind="duplicate_lines", maximum=0.3, maximum_characters=0.2),
    DuplicateParagraphsRule(kind="duplicate_paragraphs", maximum=0.3, maximum_characters=0.2),
    TopNgramsRule(kind="top_ngrams", maximum=(0.20, 0.18, 0.16)),
    DuplicateNgramsRule(kind="duplicate_ngrams", maximum=(0.15, 0.14, 0.13, 0.12, 0.11, 0.10)),
)

_FINEWEB_LINES: tuple[Rule, ...] = (
    LinePunctuationRule(kind="line_punctuation", minimum=0.12),
    ShortLinesRule(kind="short_lines", maximum=0.67),
    NewlinesRule(kind="newlines", maximum=0.3),
)

FINEWEB: tuple[Rule, ...] = (
    LanguageRule(kind="language", languages=("en",), min_score=0.65, foreign_score=0),
    *GOPHER_REPETITION,
    *GOPHER_QUALITY,
    *C4,
    *_FINEWEB_LINES,
    DuplicateLinesRule(kind="duplicate_lines", maximum=1, maximum_characters=0.01),
)

CCNET: tuple[Rule, ...] = (
    CharactersRule(kind="characters", minimum=300),
    LanguageRule(kind="language", languages=("en",), min_score=0.5, foreign_score=0),
    PerplexityRule(kind="perplexity", low_quantile=0, high_quantile=0.6, report_only=True),
)

DOMAIN_START: tuple[Rule, ...] = (*GOPHER_QUALITY, *GOPHER_REPETITION, *C4, *_FINEWEB_LINES)
"""What the domain's rules are before they are widened. Each needs a row in `tasks.curation.bounds`."""

DOMAIN: tuple[Rule, ...] = (
    LanguageRule(kind="language", min_words=10),
    WordCountRule(kind="word_count"),
    MeanWordLengthRule(kind="mean_word_length", min_words=10),
    LongestWordRule(kind="longest_word"),
    SymbolsRule(kind="symbols", min_words=10, maximum_hashes=0.5, maximum_ellipses=0.5),
    AlphabeticWordsRule(kind="alphabetic_words", min_words=10),
    SpecialCharactersRule(kind="special_characters", min_words=10),
    EllipsisLinesRule(kind="ellipsis_lines", min_lines=5),
    CodeLinesRule(kind="code_lines", min_lines=10),
    DuplicateLinesRule(kind="duplicate_lines", min_lines=10, maximum=0.6, maximum_characters=0.5),
    TopNgramsRule(kind="top_ngrams", min_words=50, maximum=(0.4, 0.4, 0.4)),
    DuplicateNgramsRule(kind="duplicate_ngrams", min_words=50, maximum=(0.6, 0.6, 0.6, 0.6, 0.6, 0.6)),
    LoremIpsumRule(kind="lorem_ipsum"),
    PerplexityRule(kind="perplexity", min_words=10, report_only=True),
)
"""Rules for English technical text: the published ones where they fit it, widened where it repeats itself, lists
values or is short for good reason, and silent on ratios of a few words or lines."""


@dataclass(frozen=True)
class Step:
    name: str
    rule: Rule
    fitted_by: DomainRules | None = None
    """Whose thresholds are fitted before the rule judges."""


def steps(entries: Sequence[RuleEntry]) -> tuple[Step, ...]:
    """The rules in order, presets written out, each with a name of its own."""
    rules = list(_written_out(entries))
    taken = {rule.name for rule, _ in rules}
    named = []
    for rule, fitted_by in rules:
        name = rule.name or next(name for name in _names(rule.kind) if name not in taken)
        taken.add(name)
        named.append(Step(name, rule, fitted_by))
    return tuple(named)


def _written_out(entries: Sequence[RuleEntry]) -> Iterator[tuple[Rule, DomainRules | None]]:
    for entry in entries:
        match entry:
            case PresetRules():
                for rule in _preset(entry):
                    report_only = entry.report_only or rule.report_only
                    yield rule.model_copy(update={"sources": entry.sources, "report_only": report_only}), None
            case DomainRules():
                changed = {"sources": entry.sources, "report_only": entry.report_only}
                for rule in DOMAIN_START:
                    yield rule.model_copy(update=changed), entry
            case rule:
                yield rule, None


def _preset(entry: PresetRules) -> tuple[Rule, ...]:
    match entry.name:
        case "c4":
            return C4
        case "gopher_quality":
            return GOPHER_QUALITY
        case "gopher_repetition":
            return GOPHER_REPETITION
        case "fineweb":
            return FINEWEB
        case "ccnet":
            return CCNET
        case _:
            assert_never(entry.name)


def _names(kind: str) -> Iterator[str]:
    yield kind
    number = 2
    while True:
        yield f"{kind}_{number}"
        number += 1
