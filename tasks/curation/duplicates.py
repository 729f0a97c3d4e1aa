"""Exact and near duplicates in select: one of each text stays, and every dropped one names a kept twin."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_config.selection import NearDuplicatesConfig, SelectConfig
from tasks.corpus.document import fixed_digests, read_documents
from tasks.curation.funnel import Funnel
from tasks.curation.measure import SIGNATURES
from tasks.curation.rules.verdict import Measured
from tasks.curation.texts import texts_of
from tasks.dedup.bands import bands_of
from tasks.dedup.scratch import Scratch
from tasks.dedup.signatures import SignatureFile, sliced_band_keys
from tasks.dedup.walk import KEPT, Walked, find_near_duplicates, keys_of


def drop_duplicates(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    measured: Measured,
    shingle_size: int,
    funnel: Funnel,
    wanted: NDArray[np.bool_],
    scratch: Scratch,
) -> None:
    """One document of each text goes on the walk; when it is dropped there, so are its copies, but none of `wanted`.

    What is wanted stays beside its twins, and what comes behind is compared with all of them.
    """
    ledger = funnel.ledger
    order = order_of(config, measured, ledger.kept, wanted)
    keeper = np.arange(len(ledger.kept))
    if config.exact_duplicates:
        keeper[order] = _first_of_equal(_digests(documents), order)
    leaders = order[keeper[order] == order]
    walked = Walked(np.full(len(keeper), KEPT, np.int64), np.zeros(len(keeper)))
    figures: dict[str, Any] = {}
    near = config.near_duplicates
    if near:
        words = measured["shingle_words"]
        walked, figures = _near(near, documents, measures, words, leaders, wanted, shingle_size, scratch)
    ids = ledger.ids

    final = walked.matched[keeper]
    is_near = ledger.kept & (final != KEPT)
    is_exact = ledger.kept & ~wanted & (final == KEPT) & (keeper != np.arange(len(keeper)))
    exact, near_rows = np.flatnonzero(is_exact), np.flatnonzero(is_near)
    ledger.drop(exact, "exact", reason="exact duplicate", matched=ids[keeper[exact]], jaccard=1.0)
    scores = walked.jaccard[keeper[near_rows]]
    threshold = near.threshold if near else np.nan
    ledger.drop(
        near_rows,
        "near",
        reason="near-duplicate",
        value=scores,
        threshold=threshold,
        matched=ids[final[near_rows]],
        jaccard=scores,
    )
    funnel.add("exact", is_exact)
    for bucket in figures.get("large_buckets", ()):
        bucket["first"] = ledger.reference(bucket["first"])
    funnel.add("near", is_near, **figures)


def near_settings(config: SelectConfig) -> NearDuplicatesConfig:
    """How near-duplicates are found, or would be if that were on."""
    return config.near_duplicates or NearDuplicatesConfig(bands="auto")


def near_twins(
    config: SelectConfig,
    documents: Path,
    measures: Path,
    words: NDArray[np.int64],
    shingle_size: int,
    listed: NDArray[np.int64],
    kept: NDArray[np.int64],
    scratch: Scratch,
) -> list[tuple[int, int, float]]:
    """Of documents `kept` (rows, ascending) those that are near one of `listed`, which were dropped: each with that one
    and their Jaccard."""
    near = near_settings(config)
    signatures = SignatureFile(measures / SIGNATURES)
    shape = bands_of(near, signatures.shape[1])
    keys, sharing = keys_of(signatures, listed, shape, scratch), np.zeros(len(kept), bool)
    for part, own in sliced_band_keys(signatures, kept, *shape):
        sharing[part] = np.any([np.isin(mine, theirs) for mine, theirs in zip(own.T, keys, strict=True)], axis=0)
    order, wanted = np.concatenate((listed, kept[sharing])), np.isin(np.arange(len(words)), listed)
    walked, _ = _near(near, documents, measures, words, order, wanted, shingle_size, scratch, only_with_wanted=True)
    found = np.flatnonzero(walked.matched != KEPT)
    return list(zip(found.tolist(), walked.matched[found].tolist(), walked.jaccard[found].tolist(), strict=True))


def _near(
    config: NearDuplicatesConfig,
    documents: Path,
    measures: Path,
    words: NDArray[np.int64],
    leaders: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    shingle_size: int,
    scratch: Scratch,
    *,
    only_with_wanted: bool = False,
) -> tuple[Walked, dict[str, Any]]:
    """The walk over `leaders`, in their order, and its figures."""
    signatures = SignatureFile(measures / SIGNATURES)
    shape = bands_of(config, signatures.shape[1])
    walked = find_near_duplicates(
        leaders,
        words,
        signatures,
        partial(texts_of, documents),
        scratch,
        wanted=wanted,
        shape=shape,
        shingle_size=shingle_size,
        threshold=config.threshold,
        minimum_words=config.min_words,
        max_bucket=config.max_bucket,
        only_with_wanted=only_with_wanted,
    )
    figures = {
        "bands": shape.bands,
        "rows": shape.rows,
        "recall": [list(point) for point in shape.curve()],
        "candidates": walked.candidates,
        "verified_pairs": walked.verified,
        "large_buckets": [vars(bucket) for bucket in walked.large],
    }
    return walked, figures


def order_of(
    config: SelectConfig, measured: Measured, kept: NDArray[np.bool_], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The kept documents: wanted ones, then by version of the corpus, priority of source, longest text first, id (rows
    are in its order)."""
    priority = np.full(len(kept), len(config.priority), np.int64)
    for rank, source in enumerate(config.priority):
        priority[measured["source"] == source] = rank
    version = np.where(wanted, -1, measured["version"])
    order = np.lexsort((-measured["bytes"], priority, version))  # stable
    return order[kept[order]]


def _first_of_equal(digests: NDArray[np.uint64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each document of `order` the earliest with the same digest (N, 2)."""
    ordered = digests[order]
    by_digest = np.lexsort((ordered[:, 1], ordered[:, 0]))  # stable: of equal ones the earliest first
    ordered = ordered[by_digest]
    begins = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(order)]
    earliest = np.empty(len(order), np.int64)
    earliest[by_digest] = order[by_digest[begins]][np.cumsum(begins) - 1]
    return earliest


def _digests(documents: Path) -> NDArray[np.uint64]:
    """(N, 2)"""
    return fixed_digests(read_documents(documents, ["text_digest"])["text_digest"])
