"""Perplexity in bits per byte, under byte n-grams with Kneser–Ney smoothing (`kneser_ney`), cross-fitted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline_config.measure import MeasureConfig
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.cross_fitting import Sample, Seen, band_hashes_of, components, folds
from tasks.curation.measures.kneser_ney import Model
from tasks.dedup.signatures import Signatures
from tasks.dedup.words import Texts, arrow, buffers
from tasks.runtime.errors import RefusedInput

NAME = "perplexity"


@dataclass(frozen=True)
class CrossFitted:
    """Two models, and which texts they saw."""

    models: tuple[Model, Model]
    seen: Seen

    @staticmethod
    def fit(config: MeasureConfig, texts: list[str]) -> CrossFitted:
        """Models of the two folds of distinct texts."""
        keys = band_hashes_of(config.signature, texts)
        data = [text.encode() for text in texts]
        fold = folds(components(keys), np.array([len(text) for text in data], np.int64))
        parts = [[data[at] for at in np.flatnonzero(fold == own)] for own in (0, 1)]
        assert config.perplexity
        with ThreadPoolExecutor(2) as threads:  # NumPy sorts without holding the interpreter
            zero, one = threads.map(partial(Model.fit, order=config.perplexity.order), parts)
        return CrossFitted((zero, one), Seen.of(keys, fold))

    def save(self, folder: Path) -> None:
        for fold, model in enumerate(self.models):
            model.save(folder / f"{NAME}-{fold}.npy")
        self.seen.save(folder, NAME)

    @staticmethod
    def load(folder: Path) -> CrossFitted:
        """Map what `save` wrote into memory; processes share it."""
        models = Model.load(folder / f"{NAME}-0.npy"), Model.load(folder / f"{NAME}-1.npy")
        return CrossFitted(models, Seen.load(folder, NAME))


def samples(config: MeasureConfig) -> list[Sample]:
    """What `fit` needs of the documents: one sample, none where perplexity is not wanted."""
    settings = config.perplexity
    return [Sample(2 * settings.sample_bytes, settings.reference)] if settings else []


def fit(config: MeasureConfig, drawn: list[Sample], documents: int, folder: Path) -> None:
    """Train the models on the sample of so many documents, and save them to `folder`.

    Raises:
        RefusedInput: the reference sources have no text.
    """
    settings = config.perplexity
    if not settings:
        return
    (texts,) = (sample.texts() for sample in drawn)
    if settings.reference and not texts and documents:
        raise RefusedInput(
            f"measure.perplexity.reference={list(settings.reference)}: no text of these sources is left to train on. "
            "Name sources of ingest.corpus that have text."
        )
    CrossFitted.fit(config, texts).save(folder)


def untrained(fitted: Path) -> bool:
    """Whether one model saw no text while the other did: all texts of the sample are near one another."""
    seen = Seen.load(fitted, NAME)
    return bool(len(seen.keys[0])) and not len(seen.keys[1])  # the largest component comes first


def measure(models: CrossFitted | None, texts: Texts, signatures: Signatures) -> Columns:
    """Column `bits_per_byte` of texts: each by a model that did not see it. An empty text has 0. No column without
    models."""
    if models is None:
        return {}
    data, borders = buffers(arrow(texts))
    scorer = models.seen.scorer(signatures)
    bits = np.zeros(len(scorer))
    for own, model in enumerate(models.models):
        mine = scorer == own
        bits[mine] = model.bits(data, borders[:-1][mine], borders[1:][mine])
    return {"bits_per_byte": (bits / np.maximum(np.diff(borders), 1)).round(6)}
