"""Relevance: how much a text is like text that is wanted, by a linear classifier over words and word n-grams.

Wanted sources against a sample of all others, as DCLM's filter (Li et al. 2024, https://arxiv.org/abs/2406.11794,
section 4.4: fastText over unigrams and bigrams); here cross-fitted. The score is the probability of *wanted*, of a
classifier that learnt from as much wanted text as of other, so it ranks texts and does not say how many are wanted.
fastText trains on one thread from a fixed seed: the same bytes each time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_config.measure import MeasureConfig, RelevanceConfig
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.cross_fitting import Sample, Seen, band_hashes_of, components, folds
from tasks.curation.measures.fasttext_model import FastTextModel
from tasks.curation.measures.fasttext_pass import LABEL
from tasks.dedup.signatures import Signatures
from tasks.runtime.errors import RefusedInput

NAME = "relevance"
WANTED, OTHER = "wanted", "other"
_PREFIX = LABEL.decode()


@dataclass(frozen=True)
class CrossFitted:
    """Two classifiers, and which texts they saw."""

    models: tuple[FastTextModel, FastTextModel]
    seen: Seen

    @staticmethod
    def load(folder: Path) -> CrossFitted:
        models = FastTextModel.load(folder / f"{NAME}-0.bin"), FastTextModel.load(folder / f"{NAME}-1.bin")
        return CrossFitted(models, Seen.load(folder, NAME))


def samples(config: MeasureConfig) -> list[Sample]:
    """What `fit` needs of the documents: a sample of wanted ones and one of others, none where it is not wanted."""
    if not config.relevance:
        return []
    limit, sources = 2 * config.relevance.sample_bytes, config.relevance.sources
    return [Sample(limit, sources), Sample(limit, sources, others=True)]


def fit(config: MeasureConfig, drawn: list[Sample], folder: Path) -> None:
    """Train two classifiers on the samples, and save them to `folder`.

    Raises:
        RefusedInput: there is too little text of one kind for two classifiers.
    """
    relevance = config.relevance
    if not relevance:
        return
    good, rest = (sample.texts() for sample in drawn)
    wanted = np.arange(len(good) + len(rest)) < len(good)
    texts = good + rest
    keys = band_hashes_of(config.signature, texts)
    fold = balanced_folds(components(keys), np.array([len(text.encode()) for text in texts], np.int64), wanted)
    for own in (0, 1):
        for kind, which in (("of these sources", wanted), ("of other sources", ~wanted)):
            if not (which & (fold == own)).any():
                raise RefusedInput(
                    f"measure.relevance.sources={list(relevance.sources)}: {int(which.sum())} distinct texts {kind}. "
                    "Each of two classifiers needs some that are near to none of the other's; name other sources."
                )
    for own in (0, 1):
        mine = np.flatnonzero(fold == own).tolist()
        lines = [(WANTED if wanted[at] else OTHER, texts[at]) for at in mine]
        train(relevance, lines, folder / f"{NAME}-{own}.bin")
    Seen.of(keys, fold).save(folder, NAME)


def balanced_folds(
    component: NDArray[np.int64], sizes: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Folds (N,) of components with as much wanted text in one as in the other, and as much of the rest."""
    fold = np.zeros(len(sizes), np.int64)
    good = np.isin(component, component[wanted])
    fold[good] = folds(component[good], np.where(wanted, sizes, 0)[good])
    fold[~good] = folds(component[~good], sizes[~good])
    return fold


def train(config: RelevanceConfig, lines: list[tuple[str, str]], path: Path) -> None:
    """A classifier of (label, text), in fastText's own format."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        file.write_text("".join(f"{_PREFIX}{label} {plain(text)}\n" for label, text in lines), encoding="utf-8")
        model = fasttext.train_supervised(
            str(file),
            dim=config.dimensions,
            epoch=config.num_epochs,
            lr=config.learning_rate,
            wordNgrams=config.word_ngrams,
            bucket=config.buckets,
            minn=0,
            maxn=0,
            minCount=1,
            loss="softmax",
            seed=config.seed,
            thread=1,
            verbose=0,
        )
    model.save_model(str(path))


def plain(text: str) -> str:
    """A text as the classifiers see it: one line in lower case, with nothing that fastText takes for a label."""
    return " ".join(text.lower().split()).replace(_PREFIX, "label ")


def measure(models: CrossFitted, texts: list[str], signatures: Signatures) -> Columns:
    """Column `relevance` of texts, 0 … 1: each by a classifier that did not see it."""
    scorer = models.seen.scorer(signatures)
    data = [plain(text).encode() for text in texts]
    result = np.zeros(len(texts))
    for own, model in enumerate(models.models):
        mine = np.flatnonzero(scorer == own)
        borders = np.cumsum([0, *(len(data[at]) for at in mine)])
        joined = np.frombuffer(b"".join(data[at] for at in mine), np.uint8)
        shares = model.probabilities(*model.embed(joined, borders[:-1], borders[1:]))
        result[mine] = shares[:, model.labels.index(WANTED)].astype(np.float64).round(6)
    return {"relevance": result}
