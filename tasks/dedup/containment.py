"""Decontamination: which documents hold a held-out text, exactly, by an inverted index of the held-out texts.

A document *leaks* a held-out text when it holds at least a share of its distinct word n-grams (n = 13, as for GPT-3,
Brown et al. 2020), or when their Jaccard on shingles reaches a threshold. Of a held-out text shorter than n words the
whole must occur; one under `minimum_words` (1 or more) leaks by Jaccard only, since a few words occur anywhere. N-grams
that stand in more than `boilerplate_groups` groups of held-out texts belong to no text in particular and do not count;
the Jaccard knows no boilerplate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.dedup.shingles import Shingles, distinct, ngrams, ranges, shingles_of
from tasks.dedup.words import Hashes, Offsets, Texts, Words, hash_words

NONE = -1


@dataclass(frozen=True)
class Postings:
    """An inverted index: value `values[i]` stands in the texts `texts[offsets[i]:offsets[i + 1]]`."""

    values: Hashes
    offsets: Offsets
    texts: Offsets

    @staticmethod
    def of(values: Hashes, texts: Offsets) -> Postings:
        """From pairs (value, text), each pair once."""
        order = np.lexsort((texts, values))
        distinct_values, starts = np.unique(values[order], return_index=True)
        return Postings(distinct_values, np.append(starts, len(values)), texts[order])

    def shared(self, values: Hashes, offsets: Offsets, texts: int) -> tuple[Offsets, Offsets, Offsets]:
        """How many values each document shares with each text: (document, text, count), where the count is not 0.

        `values[offsets[i]:offsets[i + 1]]` are the distinct values of document i; `texts` = number of texts.
        """
        if not len(self.values):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
        place = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        hit = self.values[place] == values
        document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[hit]
        place = place[hit]
        counts = self.offsets[place + 1] - self.offsets[place]
        pairs = np.repeat(document, counts) * texts + self.texts[ranges(self.offsets[place], counts)]
        pairs, common = np.unique(pairs, return_counts=True)
        return pairs // max(texts, 1), pairs % max(texts, 1), common


@dataclass(frozen=True)
class HeldOut:
    """Held-out texts, indexed."""

    count: int
    size: int
    shingle_size: int
    lengths: tuple[int, ...]
    """Of the n-grams in `grams`: n, and the lengths of the texts that are shorter."""
    grams: Postings
    gram_counts: Offsets
    """(T,) distinct n-grams of each text, boilerplate left out."""
    boilerplate: int
    """Distinct n-grams that were left out."""
    shingles: Postings
    shingle_counts: Offsets
    """(T,)"""


@dataclass(frozen=True)
class Leaks:
    """For each document the held-out text that it holds most of."""

    text: Offsets
    """(N,) index of a held-out text, or `NONE`."""
    share: NDArray[np.float64]
    """(N,) highest share of a held-out text's n-grams that the document holds, leak or not."""
    jaccard: NDArray[np.float64]
    """(N,) highest Jaccard with a held-out text, leak or not."""


def index_held_out(
    texts: Sequence[str],
    groups: Sequence[int],
    *,
    size: int,
    minimum_words: int,
    boilerplate_groups: int,
    shingle_size: int,
) -> HeldOut:
    """Index held-out texts; `groups` says which of them belong together."""
    tokens = hash_words(texts)
    sets = shingles_of(tokens, shingle_size)
    counts = tokens.counts
    full, offsets = distinct(*ngrams(tokens, size))
    short = np.flatnonzero((counts < size) & (counts >= minimum_words))
    values = np.concatenate((full, sets.whole[short]))
    owners = np.concatenate((np.repeat(np.arange(len(texts)), np.diff(offsets)), short))
    boilerplate = _in_many_groups(values, np.asarray(groups, np.int64)[owners], boilerplate_groups)
    rest = ~np.isin(values, boilerplate)
    return HeldOut(
        count=len(texts),
        size=size,
        shingle_size=shingle_size,
        lengths=tuple(sorted({size, *counts[short].tolist()})),
        grams=Postings.of(values[rest], owners[rest]),
        gram_counts=np.bincount(owners[rest], minlength=len(texts)),
        boilerplate=len(boilerplate),
        shingles=Postings.of(sets.values, np.repeat(np.arange(len(texts)), np.diff(sets.offsets))),
        shingle_counts=np.diff(sets.offsets),
    )


def find_leaks(held_out: HeldOut, texts: Texts, *, share: float, jaccard: float) -> Leaks:
    """Look for held-out texts in documents: leaks hold ≥ `share` of a text's n-grams or have a Jaccard ≥ `jaccard`."""
    tokens = hash_words(texts)
    document, text, common = held_out.grams.shared(*_grams_of(tokens, held_out.lengths), held_out.count)
    by_share = _best(document, text, common / held_out.gram_counts[text], len(texts))
    sets: Shingles = shingles_of(tokens, held_out.shingle_size)
    document, text, common = held_out.shingles.shared(sets.values, sets.offsets, held_out.count)
    union = np.diff(sets.offsets)[document] + held_out.shingle_counts[text] - common
    by_jaccard = _best(document, text, common / union, len(texts))
    found = np.where(by_jaccard[1] >= jaccard, by_jaccard[0], NONE)
    found = np.where(by_share[1] >= share, by_share[0], found)
    return Leaks(found, by_share[1], by_jaccard[1])


def _grams_of(tokens: Words, lengths: tuple[int, ...]) -> tuple[Hashes, Offsets]:
    """The distinct n-grams of several lengths of each text."""
    parts = [ngrams(tokens, length) for length in lengths]
    owners = np.concatenate([np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)) for _, offsets in parts])
    values = np.concatenate([values for values, _ in parts])
    order = np.argsort(owners, kind="stable")
    return distinct(values[order], np.searchsorted(owners[order], np.arange(len(tokens.offsets))))


def _in_many_groups(values: Hashes, groups: Offsets, limit: int) -> Hashes:
    """The values that occur in more than `limit` groups."""
    pairs = np.unique(np.stack((values, groups.astype(np.uint64)), axis=1), axis=0)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    many: Hashes = found[counts > limit]
    return many


def _best(
    document: Offsets, text: Offsets, score: NDArray[np.float64], documents: int
) -> tuple[Offsets, NDArray[np.float64]]:
    """For each document the text with the highest score (the first one on a tie), and that score (0 without one)."""
    best_text, best_score = np.full(documents, NONE, np.int64), np.zeros(documents)
    order = np.lexsort((-text, score, document))  # the last of each document is the best
    best_text[document[order]], best_score[document[order]] = text[order], score[order]
    return best_text, best_score
