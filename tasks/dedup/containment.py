"""Decontamination: which documents hold a held-out text, exactly, by an inverted index of the held-out texts.

A document *leaks* a held-out text when it holds at least a share of its distinct word n-grams (n = 13, as for GPT-3,
Brown et al. 2020), or when their Jaccard on shingles reaches a threshold. Of a held-out text shorter than n words the
whole must occur; one under `minimum_words` (1 or more) leaks by Jaccard only, since a few words occur anywhere. N-grams
that stand in more than `boilerplate_groups` groups of held-out texts belong to no text in particular and do not count,
but in a text that has no others; the Jaccard knows no boilerplate.

Records of a benchmark come without groups. Many questions are asked of one passage (SQuAD, Rajpurkar et al. 2016; RACE,
Lai et al. 2017), which is no boilerplate: so those belong together of which one holds three quarters of the other's
n-grams. A notice or a prompt that stands in most records of a benchmark is none the less boilerplate, where the rest of
a record is long enough to be looked for by itself.

A text may have several *readings*: as it is, as edits leave it, one field of it. Each leaks by itself; they are of one
group, which the first of them tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.dedup import kernels
from tasks.dedup.shingles import distinct, ngrams, ranges, shingles_of
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
        return self.count(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[hit], place[hit], texts)

    def find(self, words: Words, lengths: Sequence[int], *, whole: bool) -> tuple[Offsets, Offsets]:
        """The n-grams of documents that stand here: (document, place in `values`), each pair once.

        Of a document of fewer words than a length it is the `whole` that is looked up, or nothing.
        """
        flags = np.zeros(1 << max(16, min(24, len(self.values).bit_length() + 4)), np.uint8)
        flags[self.values & np.uint64(len(flags) - 1)] = 1
        sizes = np.array(lengths, np.int64)
        document, place = kernels.find_ngrams(words.hashes, words.offsets, sizes, whole, self.values, flags)
        return document, place

    def count(self, document: Offsets, place: Offsets, texts: int) -> tuple[Offsets, Offsets, Offsets]:
        """(document, text, values that they share) from pairs (document, place in `values`)."""
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
    """(T,) distinct n-grams of each text that count."""
    boilerplate: int
    """Distinct n-grams that do not count."""
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
    first: Sequence[int] | None = None,
    size: int,
    minimum_words: int,
    boilerplate_groups: int,
    shingle_size: int,
) -> HeldOut:
    """Index held-out texts.

    `groups` says which of them belong together; where that is not known it is negative, one number for each benchmark.
    `first` gives for each text the first reading of the same one, by its place; `None`: each has one reading.
    """
    tokens = hash_words(texts)
    sets = shingles_of(tokens, shingle_size)
    counts = tokens.counts
    full, offsets = distinct(*ngrams(tokens, size))
    short = np.flatnonzero((counts < size) & (counts >= minimum_words))
    values = np.concatenate((full, sets.whole[short]))
    owners = np.concatenate((np.repeat(np.arange(len(texts)), np.diff(offsets)), short))
    leading = np.arange(len(texts)) if first is None else np.asarray(first, np.int64)
    told = leading[owners] == owners
    known = _with_passages(values[told], owners[told], np.asarray(groups, np.int64), size)[leading]
    boilerplate = _in_many_groups(values, known[owners], boilerplate_groups)
    rest = ~np.isin(values, boilerplate)
    rest |= (np.bincount(owners[rest], minlength=len(texts)) == 0)[owners]
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
    grams, sets = held_out.grams, held_out.shingles
    document, text, common = grams.count(*grams.find(tokens, held_out.lengths, whole=False), held_out.count)
    by_share = _best(document, text, common / held_out.gram_counts[text], len(tokens.offsets) - 1)
    document, text, common = sets.count(*sets.find(tokens, [held_out.shingle_size], whole=True), held_out.count)
    union = _set_sizes(tokens, document, held_out.shingle_size) + held_out.shingle_counts[text] - common
    by_jaccard = _best(document, text, common / union, len(tokens.offsets) - 1)
    found = np.where(by_jaccard[1] >= jaccard, by_jaccard[0], NONE)
    found = np.where(by_share[1] >= share, by_share[0], found)
    return Leaks(found, by_share[1], by_jaccard[1])


def _set_sizes(tokens: Words, documents: Offsets, size: int) -> Offsets:
    """How many distinct shingles each of `documents` (with repeats) has."""
    own, place = np.unique(documents, return_inverse=True)
    counts = tokens.counts[own]
    part = Words(tokens.hashes[ranges(tokens.offsets[own], counts)], np.concatenate(([0], np.cumsum(counts))))
    return np.diff(shingles_of(part, size).offsets)[place]


def _with_passages(values: Hashes, owners: Offsets, groups: Offsets, size: int) -> Offsets:
    """Groups (T,) with those that are not known: by the n-grams `values` of the texts `owners`, each pair once.

    Of each n-gram the longest text that holds it is looked up, and a text belongs to the one to which three quarters of
    its n-grams point: time grows with the n-grams, not with the pairs of texts that share one. Where most records of a
    benchmark would be one group, those with `size` n-grams and more that do not point there stand alone.
    """
    count = len(groups)
    untold = groups < 0
    sizes = np.bincount(owners, minlength=count)
    here = untold[owners]
    values, owners = values[here], owners[here]
    order = np.lexsort((owners, -sizes[owners], values))
    _, first, inverse = np.unique(values[order], return_index=True, return_inverse=True)
    pairs, shared = np.unique(owners[order] * count + owners[order][first][inverse], return_counts=True)
    text, longest = pairs // max(count, 1), pairs % max(count, 1)
    linked = 4 * shared >= 3 * sizes[text]
    text, longest, own = text[linked], longest[linked], (sizes[text] - shared)[linked]
    graph = coo_array((np.ones(len(text), bool), (text, longest)), shape=(count, count))
    parts = connected_components(graph, directed=False)[1] if count else np.zeros(0, np.int64)
    alone = text[_most(groups, parts, sizes)[text] & (own >= size)]
    parts[alone] = count + alone
    return np.where(untold, groups.max(initial=NONE) + 1 + parts, groups)


def _most(groups: Offsets, parts: Offsets, sizes: Offsets) -> NDArray[np.bool_]:
    """(T,) texts that have n-grams, of whose benchmark (`groups`) more than half are of their own part."""
    holding = sizes > 0
    both = np.stack((groups, parts))[:, holding]
    _, inverse, counts = np.unique(both, axis=1, return_inverse=True, return_counts=True)
    _, benchmark, records = np.unique(both[0], return_inverse=True, return_counts=True)
    most = np.zeros(len(groups), bool)
    most[holding] = 2 * counts[inverse.reshape(-1)] > records[benchmark]
    return most


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
