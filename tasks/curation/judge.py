"""The rules over the measures of all documents."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

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
    LanguageRule,
    LinePunctuationRule,
    LongestWordRule,
    LoremIpsumRule,
    MeanWordLengthRule,
    NewlinesRule,
    PerplexityRule,
    RelevanceRule,
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
from tasks.curation.measured import Judged
from tasks.curation.rules import (
    alphabetic_words,
    bullet_lines,
    characters,
    code_lines,
    curly_braces,
    duplicate_lines,
    duplicate_ngrams,
    duplicate_paragraphs,
    ellipsis_lines,
    language,
    line_punctuation,
    longest_word,
    lorem_ipsum,
    mean_word_length,
    newlines,
    perplexity,
    relevance,
    sentences,
    short_lines,
    special_characters,
    stop_words,
    symbols,
    top_ngrams,
    toxicity,
    word_count,
)
from tasks.curation.rules.verdict import Measured, Verdict


def judge(rule: Rule, measured: Measured, population: Measured | None = None) -> Verdict:
    """What a rule says of all documents; those it does not judge (by source or length) stay.

    Quantiles are those of `population`; without it, of the documents themselves.
    """
    judged = _judged(rule, measured)
    own = Judged(measured, judged)
    others = own if population is None or population is measured else Judged(population, _judged(rule, population))
    return _judge(rule, own, others).among(judged)


def _judged(rule: Rule, measured: Measured) -> NDArray[np.bool_]:
    judged: NDArray[np.bool_] = (measured["words"] >= rule.min_words) & (measured["lines"] >= rule.min_lines)
    if rule.sources:
        judged &= np.isin(measured["source"].astype(str), rule.sources)
    return judged


def _judge(rule: Rule, measured: Measured, population: Measured) -> Verdict:
    match rule:
        case CharactersRule():
            return characters.judge(measured, rule)
        case WordCountRule():
            return word_count.judge(measured, rule)
        case MeanWordLengthRule():
            return mean_word_length.judge(measured, rule)
        case LongestWordRule():
            return longest_word.judge(measured, rule)
        case SymbolsRule():
            return symbols.judge(measured, rule)
        case AlphabeticWordsRule():
            return alphabetic_words.judge(measured, rule)
        case StopWordsRule():
            return stop_words.judge(measured, rule)
        case SpecialCharactersRule():
            return special_characters.judge(measured, rule)
        case BulletLinesRule():
            return bullet_lines.judge(measured, rule)
        case EllipsisLinesRule():
            return ellipsis_lines.judge(measured, rule)
        case CodeLinesRule():
            return code_lines.judge(measured, rule)
        case LinePunctuationRule():
            return line_punctuation.judge(measured, rule)
        case ShortLinesRule():
            return short_lines.judge(measured, rule)
        case NewlinesRule():
            return newlines.judge(measured, rule)
        case DuplicateLinesRule():
            return duplicate_lines.judge(measured, rule)
        case DuplicateParagraphsRule():
            return duplicate_paragraphs.judge(measured, rule)
        case TopNgramsRule():
            return top_ngrams.judge(measured, rule)
        case DuplicateNgramsRule():
            return duplicate_ngrams.judge(measured, rule)
        case SentencesRule():
            return sentences.judge(measured, rule)
        case CurlyBracesRule():
            return curly_braces.judge(measured, rule)
        case LoremIpsumRule():
            return lorem_ipsum.judge(measured, rule)
        case LanguageRule():
            return language.judge(measured, rule)
        case PerplexityRule():
            return perplexity.judge(measured, rule, population)
        case RelevanceRule():
            return relevance.judge(measured, rule, population)
        case ToxicityRule():
            return toxicity.judge(measured, rule)
        case _:
            assert_never(rule)
