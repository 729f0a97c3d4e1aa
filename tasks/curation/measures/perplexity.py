"""Perplexity in bits per byte, under byte n-grams with Kneser–Ney smoothing (`kneser_ney`); cross-fitted.

Nobody is scored by a model that saw him, nor one near to him. A sample of the distinct texts falls into near-duplicate
components (texts that share a band of their signatures, by any chain of such), each component whole into one of two
folds, and a model is trained on each. A text that shares a band with the sample of one fold is scored by the other
model; any other text by the one that its signature says. So texts that came later are cross-fitted too. A text that has
neighbours in both folds, which then are none of each other, is scored by the model with fewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline_config.measure import MeasureConfig
from tasks.corpus.document import iter_documents
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.kneser_ney import Model
from tasks.dedup.shingles import Hashes, mix, shingles
from tasks.dedup.signatures import Signatures, band_keys, sign

ROWS = 1024  # documents at a time
BAND = 8  # values of a signature: with 14 bands, texts of Jaccard 0.8 share one with probability 0.92


@dataclass(frozen=True)
class CrossFitted:
    """Two models, and what tells which of them saw a text or one near to it."""

    models: tuple[Model, Model]
    keys: tuple[Hashes, Hashes]
    """Of each fold's sample the distinct keys of bands, ascending."""

    def save(self, folder: Path) -> None:
        for fold in (0, 1):
            self.models[fold].save(folder / f"perplexity-{fold}.npy")
            np.save(folder / f"perplexity-{fold}-bands.npy", self.keys[fold])

    @staticmethod
    def load(folder: Path) -> CrossFitted:
        """Map what `save` wrote into memory; processes share it."""

        def keys(fold: int) -> Hashes:
            return np.asarray(np.load(folder / f"perplexity-{fold}-bands.npy", mmap_mode="r"))

        models = (Model.load(folder / "perplexity-0.npy"), Model.load(folder / "perplexity-1.npy"))
        return CrossFitted(models, (keys(0), keys(1)))

    def scorer(self, signatures: Signatures) -> NDArray[np.int64]:
        """Which model, 0 or 1, scores each text, by its signature. (N,)"""
        keys = _keys(signatures)
        shared = [_member(keys, known).sum(axis=1) for known in self.keys]
        free = (signatures[:, 0] & 1).astype(np.int64)
        return np.where(shared[0] == shared[1], free, (shared[0] > shared[1]).astype(np.int64))


def fit(config: MeasureConfig, documents: Path, folder: Path) -> None:
    """Train the models on a sample of the documents, and save them to `folder`."""
    texts = sampled(config, iter_documents(documents, ["source", "text_digest", "text"], ROWS))
    cross_fitted(config, texts).save(folder)


def cross_fitted(config: MeasureConfig, texts: list[str]) -> CrossFitted:
    """Models of the two folds of distinct texts."""
    signature = config.signature
    signatures = sign(shingles(texts, signature.shingle_size), signature.permutations, signature.seed)
    keys = _keys(signatures)
    data = [text.encode() for text in texts]
    fold = folds(components(keys), np.array([len(text) for text in data], np.int64))
    models = [Model.fit([data[at] for at in np.flatnonzero(fold == own)], config.perplexity.order) for own in (0, 1)]
    return CrossFitted((models[0], models[1]), (np.unique(keys[fold == 0]), np.unique(keys[fold == 1])))


def sampled(config: MeasureConfig, batches: Iterable[pa.RecordBatch]) -> list[str]:
    """The distinct texts of lowest digest, in this order, as long as they fit into twice `sample_bytes`.

    Longer texts than that are no part of it. Batches have the columns `source`, `text_digest` and `text`.
    """
    limit, reference = 2 * config.perplexity.sample_bytes, config.perplexity.reference
    held: dict[bytes, tuple[int, str]] = {}
    total = 0
    bound = b"\xff" * 17  # the first digest whose text does not fit any more; it only falls
    for batch in batches:
        chosen = pc.less_equal(pc.binary_length(batch["text"]), limit)
        if reference:
            chosen = pc.and_(chosen, pc.is_in(batch["source"], pa.array(reference)))
        rows = batch.filter(chosen)
        lengths = pc.binary_length(rows["text"]).to_pylist()
        for at, (digest, size) in enumerate(zip(rows["text_digest"].to_pylist(), lengths, strict=True)):
            if digest < bound and digest not in held:
                held[digest] = size, rows["text"][at].as_py()
                total += size
        if total > limit:
            total = 0
            for bound in sorted(held):
                if total + held[bound][0] > limit:
                    break
                total += held[bound][0]
            held = {digest: text for digest, text in held.items() if digest < bound}
    return [held[digest][1] for digest in sorted(held)]


def components(keys: Hashes) -> NDArray[np.int64]:
    """The near-duplicate component of each text (N,): linked are texts that share a key, of keys (N, bands)."""
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        equal = column[order][1:] == column[order][:-1]
        left.append(order[:-1][equal])
        right.append(order[1:][equal])
    links = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(links[0]), np.int8), links), shape=(len(keys), len(keys)))
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def folds(component: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold, 0 or 1, of each text: the largest component first, each to the fold with fewer bytes so far. (N,)"""
    total = np.bincount(component, sizes)
    fold = np.zeros(len(total), np.int64)
    filled = [0, 0]
    for own in np.argsort(-total, kind="stable"):
        fold[own] = filled[1] < filled[0]
        filled[fold[own]] += int(total[own])
    return fold[component]


def measure(models: CrossFitted, texts: list[str], signatures: Signatures) -> Columns:
    """Column `bits_per_byte` of texts: each by a model that did not see it. An empty text has 0."""
    data = [text.encode() for text in texts]
    scorer = models.scorer(signatures)
    result = np.zeros(len(texts))
    for own, model in enumerate(models.models):
        mine = np.flatnonzero(scorer == own)
        sizes = np.array([max(len(data[at]), 1) for at in mine], np.int64)
        result[mine] = (model.bits([data[at] for at in mine]) / sizes).round(6)
    return {"bits_per_byte": result}


def _keys(signatures: Signatures) -> Hashes:
    """A key for each text and band, (N, bands), which differs from those of other bands."""
    width = signatures.shape[1]
    keys = band_keys(signatures, width // math.gcd(width, BAND))
    return mix(keys ^ np.arange(keys.shape[1], dtype=np.uint64))


def _member(keys: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Whether each of `keys` is among the ascending `known`."""
    if not len(known):
        return np.zeros(keys.shape, bool)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: NDArray[np.bool_] = known[place] == keys
    return found
