"""datatrove's filters (Gopher quality and repetition, C4, FineWeb) over the same documents, in one process.

--what all        every statistic, with thresholds that nothing reaches, so that no filter stops early: what is timed
--what verdicts   each rule by itself, with its published threshold
--what stock      the filters as they come, one after another, each document until one drops it
--words ours      words and sentences by the product's definitions, which costs less than its own
--words spacy     its own
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    gopher_quality_filter,
)
from datatrove.utils.word_tokenizers import WordTokenizer

_SINGLES = "\u0e00-\u0eff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SINGLES}]|[^\s{_SINGLES}]+")
_SENTENCE = re.compile(r"[.!?。！？](?=\s|\Z)")
NEVER = 10**12


class OurWords(WordTokenizer):
    """Between white space, each Han, Kana, Thai, Lao or Khmer code point by itself."""

    def __init__(self, lower: bool = False) -> None:
        super().__init__()
        self.lower = lower

    def word_tokenize(self, text: str) -> list[str]:
        text = text.lower() if self.lower else text
        return text.split() if text.isascii() else _WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, match.end()) for match in _SENTENCE.finditer(text)]  # only the ends are looked at


def gopher_quality(language: Any, **on: Any) -> GopherQualityFilter:
    off = dict.fromkeys(
        [
            *("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio"),
            *("max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words"),
        ]
    )
    return GopherQualityFilter(**{**off, **on}, language=language)


def gopher_repetition(language: Any, **on: Any) -> GopherRepetitionFilter:
    off: dict[str, Any] = dict.fromkeys(["dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"])
    return GopherRepetitionFilter(**{**off, "top_n_grams": (), "dup_n_grams": (), **on}, language=language)


def c4(language: Any, **on: Any) -> C4QualityFilter:
    off = {
        **dict.fromkeys(["remove_citations", "filter_no_terminal_punct", "filter_lorem_ipsum"], False),
        **dict.fromkeys(["filter_javascript", "filter_curly_bracket", "filter_policy"], False),
        **dict.fromkeys(["min_num_sentences", "min_words_per_line", "max_word_length"], -1),
        "split_paragraph": False,  # sentences of the text, not pieces of lines
    }
    return C4QualityFilter(**{**off, **on}, language=language)


def fineweb(language: Any, **on: Any) -> FineWebQualityFilter:
    off = {"line_punct_thr": -1, "short_line_thr": NEVER, "char_duplicates_ratio": NEVER, "new_line_ratio": NEVER}
    return FineWebQualityFilter(**{**off, **on}, language=language)


TOP = ((2, 0.2), (3, 0.18), (4, 0.16))
DUPLICATE = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
RULES: dict[str, Callable[[Any], Any]] = {
    "word_count": lambda words: gopher_quality(words, min_doc_words=50, max_doc_words=100_000),
    "mean_word_length": lambda words: gopher_quality(words, min_avg_word_length=3, max_avg_word_length=10),
    "symbols": lambda words: gopher_quality(words, max_symbol_word_ratio=0.1),
    "bullet_lines": lambda words: gopher_quality(words, max_bullet_lines_ratio=0.9),
    "ellipsis_lines": lambda words: gopher_quality(words, max_ellipsis_lines_ratio=0.3),
    "alphabetic_words": lambda words: gopher_quality(words, max_non_alpha_words_ratio=0.8),
    "stop_words": lambda words: gopher_quality(
        OurWords(lower=True) if isinstance(words, OurWords) else words, min_stop_words=2
    ),
    "duplicate_lines": lambda words: gopher_repetition(words, dup_line_frac=0.3, dup_line_char_frac=0.2),
    "duplicate_paragraphs": lambda words: gopher_repetition(words, dup_para_frac=0.3, dup_para_char_frac=0.2),
    "top_ngrams": lambda words: gopher_repetition(words, top_n_grams=TOP),
    "duplicate_ngrams": lambda words: gopher_repetition(words, dup_n_grams=DUPLICATE),
    "sentences": lambda words: c4(words, min_num_sentences=5),
    "curly_braces": lambda words: c4(words, filter_curly_bracket=True),
    "lorem_ipsum": lambda words: c4(words, filter_lorem_ipsum=True),
    "line_punctuation": lambda words: fineweb(words, line_punct_thr=0.12),
    "short_lines": lambda words: fineweb(words, short_line_thr=0.67),
    "newlines": lambda words: fineweb(words, new_line_ratio=0.3),
    "duplicate_lines_fineweb": lambda words: fineweb(words, char_duplicates_ratio=0.01),
}


def everything(words: Any) -> dict[str, Any]:
    lowest = dict.fromkeys(["min_doc_words", "min_avg_word_length", "max_non_alpha_words_ratio", "min_stop_words"], -1)
    highest = dict.fromkeys(
        [
            *("max_doc_words", "max_avg_word_length", "max_symbol_word_ratio"),
            *("max_bullet_lines_ratio", "max_ellipsis_lines_ratio"),
        ],
        NEVER,
    )
    fractions = dict.fromkeys(["dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"], NEVER)
    return {
        "gopher_repetition": GopherRepetitionFilter(
            **fractions,
            top_n_grams=tuple((n, NEVER) for n, _ in TOP),
            dup_n_grams=tuple((n, NEVER) for n, _ in DUPLICATE),
            language=words,
        ),
        "gopher_quality": GopherQualityFilter(**lowest, **highest, language=words),
        "c4": c4(words, min_num_sentences=0, filter_curly_bracket=True, filter_lorem_ipsum=True),
        "fineweb": fineweb(words),
    }


def stock(words: Any) -> dict[str, Any]:
    return {
        "gopher_repetition": GopherRepetitionFilter(language=words),
        "gopher_quality": GopherQualityFilter(language=words),
        "c4": C4QualityFilter(filter_no_terminal_punct=False, language=words),
        "fineweb": FineWebQualityFilter(language=words),
    }


def drops(one: Any, text: str) -> bool:
    try:
        verdict = one.filter(Document(text=text, id=""))  # C4 changes the text of the document that it is given
    except ZeroDivisionError:  # no words
        return True
    return not (verdict if isinstance(verdict, bool) else verdict[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--what", choices=["all", "verdicts", "stock"], required=True)
    parser.add_argument("--words", choices=["ours", "spacy"], required=True)
    options = parser.parse_args()
    words: Any = "eng"
    trimmed = False
    if options.words == "ours":
        words, trimmed = OurWords(), options.what == "verdicts"
        gopher_quality_filter.PUNCTUATION_SET = frozenset()
    filters: Mapping[str, Any]
    if options.what == "all":
        filters = everything(words)
    else:
        filters = stock(words) if options.what == "stock" else {name: make(words) for name, make in RULES.items()}
    ids, found = [], {name: list[bool]() for name in filters}
    for path in sorted(options.documents.glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        ids += table["id"].to_pylist()
        for text in table["text"].to_pylist():
            dropped = False
            if trimmed:
                text = "\n".join(map(str.rstrip, text.split("\n")))
            for name, one in filters.items():
                found[name].append(not (options.what == "stock" and dropped) and drops(one, text))
                dropped |= found[name][-1]
    pq.write_table(pa.table({"id": ids, **found}), options.out / "verdicts.parquet", compression="zstd")


if __name__ == "__main__":
    main()
