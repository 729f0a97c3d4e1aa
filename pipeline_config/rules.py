"""The rules of select, each over measures of a document; published sets of them are in `rule_presets`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline_config.base import Section

Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(ge=0)]


class RuleSection(Section):
    """What every rule takes."""

    name: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$")] = ""
    """What its step is called in funnel and ledger: lower-case letters, digits, `_`. Empty = its kind; of several rules
    of one kind the second is `kind_2`."""
    sources: tuple[str, ...] = ()
    """Names of the sources whose documents it judges; empty = all."""
    min_words: int = Field(default=0, ge=0)
    """Documents with fewer whitespace-delimited words are not judged: of a few words a ratio says little."""
    min_lines: int = Field(default=0, ge=0)
    """Documents with fewer non-blank lines are not judged."""
    report_only: bool = False
    """Count what it would drop, and drop nothing."""


class CharactersRule(RuleSection):
    """Code points of a document; CCNet: at least 300."""

    kind: Literal["characters"]
    minimum: int = Field(default=300, ge=0)
    """Code points a document needs."""


class WordCountRule(RuleSection):
    """Whitespace-delimited words; Gopher: 50 to 100 000."""

    kind: Literal["word_count"]
    minimum: int = Field(default=3, ge=0)
    """Words a document needs."""
    maximum: int = Field(default=100_000, ge=1)
    """Words it may have."""

    @model_validator(mode="after")
    def _ordered(self) -> WordCountRule:
        _refuse_empty_range(self.minimum, self.maximum)
        return self


class MeanWordLengthRule(RuleSection):
    """Mean characters of a word; Gopher: 3 to 10."""

    kind: Literal["mean_word_length"]
    minimum: float = Field(default=2.0, ge=0)
    """Characters."""
    maximum: float = Field(default=40.0, gt=0)
    """Characters. Names and identifiers make technical words long."""

    @model_validator(mode="after")
    def _ordered(self) -> MeanWordLengthRule:
        _refuse_empty_range(self.minimum, self.maximum)
        return self


class LongestWordRule(RuleSection):
    """Characters of the longest word; C4: 1 000."""

    kind: Literal["longest_word"]
    maximum: int = Field(default=1000, ge=1)
    """Characters."""


class SymbolsRule(RuleSection):
    """`#` per word, and ellipses per word; Gopher: 0.1 each."""

    kind: Literal["symbols"]
    maximum_hashes: float = Field(default=0.1, ge=0)
    """Hash signs per word."""
    maximum_ellipses: float = Field(default=0.1, ge=0)
    """Ellipses (… or ...) per word."""


class AlphabeticWordsRule(RuleSection):
    """Share of words with a letter; Gopher: at least 0.8."""

    kind: Literal["alphabetic_words"]
    minimum: Share = 0.3
    """Share of words."""


class StopWordsRule(RuleSection):
    """Distinct words of the, be, to, of, and, that, have, with; Gopher: at least 2. For running English text."""

    kind: Literal["stop_words"]
    minimum: int = Field(default=2, ge=0, le=8)
    """Distinct stop words."""


class SpecialCharactersRule(RuleSection):
    """Share of characters that are neither letters, digits nor white space."""

    kind: Literal["special_characters"]
    maximum: Share = 0.3
    """Share of characters."""


class BulletLinesRule(RuleSection):
    """Share of lines that begin with a bullet; Gopher: at most 0.9."""

    kind: Literal["bullet_lines"]
    maximum: Share = 0.9
    """Share of lines."""


class EllipsisLinesRule(RuleSection):
    """Share of lines that end with an ellipsis; Gopher: at most 0.3."""

    kind: Literal["ellipsis_lines"]
    maximum: Share = 0.3
    """Share of lines."""


class CodeLinesRule(RuleSection):
    """Share of lines that end with `;`, `{` or `}`: code-heavy pages."""

    kind: Literal["code_lines"]
    maximum: Share = 0.8
    """Share of lines."""


class LinePunctuationRule(RuleSection):
    """Share of lines that end as a sentence does (. ! ? 。 and others); FineWeb: at least 0.12."""

    kind: Literal["line_punctuation"]
    minimum: Share = 0.12
    """Share of lines."""


class ShortLinesRule(RuleSection):
    """Share of lines of at most 30 characters, indentation included; FineWeb: at most 0.67."""

    kind: Literal["short_lines"]
    maximum: Share = 0.67
    """Share of lines."""


class NewlinesRule(RuleSection):
    """Line feeds per word; FineWeb: at most 0.3."""

    kind: Literal["newlines"]
    maximum: float = Field(default=0.3, ge=0)
    """Line feeds per word."""


class DuplicateLinesRule(RuleSection):
    """Share of lines that repeat an earlier one, and of the characters in them; Gopher: at most 0.3 and 0.2."""

    kind: Literal["duplicate_lines"]
    maximum: Share = 0.3
    """Share of lines."""
    maximum_characters: Share = 0.2
    """Share of characters."""


class DuplicateParagraphsRule(RuleSection):
    """Share of paragraphs that repeat an earlier one, and of the characters in them; Gopher: at most 0.3 and 0.2."""

    kind: Literal["duplicate_paragraphs"]
    maximum: Share = 0.3
    """Share of paragraphs."""
    maximum_characters: Share = 0.2
    """Share of characters."""


class TopNgramsRule(RuleSection):
    """Share of characters in the most frequent word 2-, 3- and 4-gram; Gopher: at most 0.20, 0.18, 0.16."""

    kind: Literal["top_ngrams"]
    maximum: tuple[Ratio, Ratio, Ratio] = (0.20, 0.18, 0.16)
    """Shares of characters, for 2-, 3- and 4-grams. Occurrences that overlap count each: it can be above 1."""


class DuplicateNgramsRule(RuleSection):
    """Share of characters in repeated word 5- to 10-grams; Gopher: at most 0.15, 0.14, 0.13, 0.12, 0.11, 0.10."""

    kind: Literal["duplicate_ngrams"]
    maximum: tuple[Share, Share, Share, Share, Share, Share] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Shares of characters, for 5- to 10-grams."""


class SentencesRule(RuleSection):
    """Ends of sentences (. ! ? 。！？ before white space or the end); C4: at least 5."""

    kind: Literal["sentences"]
    minimum: int = Field(default=5, ge=0)
    """Ends of sentences."""


class CurlyBracesRule(RuleSection):
    """How many `{` and `}`; C4: none. Technical text has them for good reason."""

    kind: Literal["curly_braces"]
    maximum: int = Field(default=0, ge=0)
    """Braces."""


class LoremIpsumRule(RuleSection):
    """Texts with "lorem ipsum"; C4."""

    kind: Literal["lorem_ipsum"]


class LanguageRule(RuleSection):
    """Language as identified; FineWeb: English at 0.65 or more."""

    kind: Literal["language"]
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en",)
    """Wanted languages, ISO 639 codes as the identification model writes them."""
    min_score: Share = 0.0
    """Drop texts in a wanted language below this confidence. Short technical texts often are."""
    foreign_score: Share = 0.65
    """Drop texts in another language from this confidence on."""


class PerplexityRule(RuleSection):
    """Bits per byte at both tails of the corpus, by language and length: high is gibberish, low is boilerplate (CCNet
    cuts by quantiles). `report_only` is on until you have seen its samples."""

    kind: Literal["perplexity"]
    report_only: bool = True
    """Count what it would drop, and drop nothing."""
    low_quantile: Share = 0.01
    """Drop at most this share of the judged documents, those with the fewest bits per byte; 0 = nothing."""
    high_quantile: Share = 0.99
    """Drop at most the share that this leaves to 1, those with the most; 1 = nothing."""
    length_edges: tuple[Annotated[int, Field(ge=1)], ...] = (200, 1000, 5000)
    """UTF-8 bytes at which a range of lengths ends and the next begins; each has its own quantiles."""
    min_documents: int = Field(default=200, ge=1)
    """Languages with fewer documents than this in a range of lengths share their quantiles there; where all of these
    together are fewer, they are not judged."""

    @model_validator(mode="after")
    def _ordered(self) -> PerplexityRule:
        if self.low_quantile >= self.high_quantile:
            raise ValueError(f"low_quantile={self.low_quantile} must be below high_quantile={self.high_quantile}.")
        if list(self.length_edges) != sorted(set(self.length_edges)):
            raise ValueError(f"length_edges={list(self.length_edges)} must ascend.")
        return self


class RelevanceRule(RuleSection):
    """The most relevant part of the text stays (DCLM: Li et al. 2024). Needs `measure.relevance`."""

    kind: Literal["relevance"]
    keep: float = Field(default=0.1, gt=0, le=1)
    """Share of the judged text that stays, the most relevant first; DCLM: 0.1. Equal scores stay together."""
    by: Literal["bytes", "documents"] = "bytes"
    """What the share is counted in."""


class ToxicityRule(RuleSection):
    """Toxicity as `measure.toxicity` measures it. It flags: `report_only` is on until you have seen its samples."""

    kind: Literal["toxicity"]
    report_only: bool = True
    """Count what it would drop, and drop nothing."""
    maximum: float = Field(default=5.0, ge=0)
    """Words of the lists per 1 000 words (a word as near-duplicates count it), or a classifier's probability 0 … 1."""


Rule = Annotated[
    CharactersRule
    | WordCountRule
    | MeanWordLengthRule
    | LongestWordRule
    | SymbolsRule
    | AlphabeticWordsRule
    | StopWordsRule
    | SpecialCharactersRule
    | BulletLinesRule
    | EllipsisLinesRule
    | CodeLinesRule
    | LinePunctuationRule
    | ShortLinesRule
    | NewlinesRule
    | DuplicateLinesRule
    | DuplicateParagraphsRule
    | TopNgramsRule
    | DuplicateNgramsRule
    | SentencesRule
    | CurlyBracesRule
    | LoremIpsumRule
    | LanguageRule
    | PerplexityRule
    | RelevanceRule
    | ToxicityRule,
    Field(discriminator="kind"),
]

MODEL_RULES = (LanguageRule, PerplexityRule, RelevanceRule, ToxicityRule)
"""Rules over what a model says of a text; the others look at its statistics alone."""


class PresetRules(Section):
    """Published rules with the thresholds of their source, each a step of its own. Made for English web pages: look at
    what each would drop of your text before it is on."""

    kind: Literal["preset"]
    name: Literal["c4", "gopher_quality", "gopher_repetition", "fineweb", "ccnet"]
    """C4 (Raffel et al. 2020), Gopher (Rae et al. 2021), FineWeb (Penedo et al. 2024), CCNet (Wenzek et al. 2020). What
    C4 does to lines is an edit: `drop_lines`."""
    sources: tuple[str, ...] = ()
    """Names of the sources whose documents the rules judge; empty = all."""
    report_only: bool = False
    """Count what each would drop, and drop nothing."""


class DomainRules(Section):
    """The thresholds of Gopher, C4 and FineWeb, widened until they cost hardly any of the labelled training texts.

    All are widened to the same quantile of these texts, the strictest at which no more than `maximum_cost` of them fall
    to all rules together. Without labelled training texts: to median ± `deviations` · MAD of the corpus, report only
    until `confirmed`."""

    kind: Literal["domain"]
    maximum_cost: Share = 0.01
    """Share of the labelled training texts that may fall to all rules together."""
    deviations: float = Field(default=5.0, gt=0)
    """Median absolute deviations, unscaled, where there are no labelled texts."""
    confirmed: bool = False
    """Drop although no labelled text says what is good; look at the cost of each rule first."""
    sources: tuple[str, ...] = ()
    """Names of the sources whose documents the rules judge; empty = all."""
    report_only: bool = False
    """Fit the thresholds, count what each rule would drop, and drop nothing."""


def _refuse_empty_range(minimum: float, maximum: float) -> None:
    if minimum > maximum:
        raise ValueError(
            f"minimum={minimum} is above maximum={maximum}: no document can have both. Lower the one or "
            "raise the other."
        )


RuleEntry = Annotated[Rule | PresetRules | DomainRules, Field(discriminator="kind")]
