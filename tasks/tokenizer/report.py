"""What a vocabulary is worth on two corpora, domain and general, against the base model's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import log2
from typing import Any

from transformers import PreTrainedTokenizerBase

_TERM = re.compile(r"[^\W\d_]{3,}")


def domain_terms(domain: Sequence[str], general: Sequence[str], count: int) -> list[str]:
    """Words of the domain that stand out against general text: five occurrences, and four times as frequent there.

    Ranked by occurrences x log2 of the ratio of smoothed relative frequencies (the word's share of the divergence
    between the two corpora); ties by alphabet.
    """
    here, there = (Counter(_TERM.findall(" ".join(texts).lower())) for texts in (domain, general))
    sizes = max(here.total(), 1), max(there.total(), 1)

    def surplus(word: str) -> float:
        return log2((here[word] + 0.5) / sizes[0] / ((there[word] + 0.5) / sizes[1]))

    terms = [word for word, seen in here.items() if seen >= 5 and surplus(word) >= 2.0]
    return sorted(terms, key=lambda word: (-here[word] * surplus(word), word))[:count]


def compare(
    old: PreTrainedTokenizerBase,
    new: PreTrainedTokenizerBase,
    domain: Sequence[str],
    general: Sequence[str],
    terms: Sequence[str],
) -> dict[str, Any]:
    """Fertility (tokens per word between blanks), tokens saved in %, unknown tokens, terms that are one token."""
    report: dict[str, Any] = {}
    for name, texts in (("domain", domain), ("general", general)):
        words = sum(len(text.split()) for text in texts)
        before, after = _count(old, texts), _count(new, texts)
        report[name] = {
            "documents": len(texts),
            "words": words,
            "fertility": {"before": before[0] / max(words, 1), "after": after[0] / max(words, 1)},
            "tokens_saved_percent": 100.0 * (1.0 - after[0] / before[0]) if before[0] else 0.0,
            "unknown_tokens": {"before": before[1], "after": after[1]},
        }
    whole = [sum(_is_whole(tokenizer, term) for term in terms) for tokenizer in (old, new)]
    report["domain_terms"] = {
        "terms": len(terms),
        "whole": {"before": whole[0] / max(len(terms), 1), "after": whole[1] / max(len(terms), 1)},
        "examples": list(terms[:20]),
    }
    return report


def resegmented(
    old: PreTrainedTokenizerBase, new: PreTrainedTokenizerBase, counts: Counter[str], added: set[str]
) -> dict[str, Any]:
    """What happened to words that were *not* added.

    WordPiece takes the longest prefix that it knows, so that an added word that is a prefix of others cuts these anew,
    now and then into more pieces than before, which the model has never seen together.
    """
    words = sorted(word for word in counts if word not in added)
    changed = [
        (word, len(before), len(after))
        for word, before, after in zip(words, _encode(old, words), _encode(new, words), strict=True)
        if before != after
    ]
    return {
        "words": len(changed),
        "occurrences": sum(counts[word] for word, _, _ in changed),
        "occurrences_now_longer": sum(counts[word] for word, before, after in changed if after > before),
        "examples": [word for word, _, _ in sorted(changed, key=lambda entry: (-counts[entry[0]], entry[0]))[:20]],
    }


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Iterator[list[str]]:
    backend = tokenizer.backend_tokenizer
    for begin in range(0, len(texts), 1000):
        for encoding in backend.encode_batch_fast(list(texts[begin : begin + 1000]), add_special_tokens=False):
            yield encoding.tokens


def _count(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> tuple[int, int]:
    """Tokens, and how many of them are unknown."""
    tokens = unknown = 0
    for pieces in _encode(tokenizer, texts):
        tokens += len(pieces)
        unknown += pieces.count(tokenizer.unk_token)
    return tokens, unknown


def _is_whole(tokenizer: PreTrainedTokenizerBase, term: str) -> bool:
    """Inside a text: after a blank, as byte-level vocabularies write it."""
    alone, after = _encode(tokenizer, ["a", f"a {term}"])
    return len(after) == len(alone) + 1 and after[-1] != tokenizer.unk_token
