"""Language identification with fastText's `lid.176` (Joulin et al. 2016): ISO 639 code and confidence 0 … 1.

A long text is read in windows from its start to its end. Their answer together holds for it, if it is confident;
otherwise all of it is read. A text is *mixed* when two windows confidently name different languages: one of a
window or less (500 characters, as configured) is not looked at for that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_config.measure import LanguageConfig
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.fasttext_model import FastTextModel, NotFastText
from tasks.curation.measures.fasttext_pass import Bytes, Offsets, find_windows
from tasks.dedup.words import Texts, arrow, buffers
from tasks.runtime.errors import RefusedInput

UNKNOWN = "und"
"""ISO 639-2 for undetermined: a text without a character that tells."""


class LanguageModel:
    def __init__(self, path: Path) -> None:
        try:
            self._model = FastTextModel.load(path)
        except NotFastText as error:
            raise RefusedInput(
                f"{path.name} is no fastText classifier: {error}. Expected one that tells languages, such as "
                "lid.176.ftz or lid.176.bin; name it as measure.language.model_path."
            ) from error
        self._names = np.array([*self._model.labels, UNKNOWN], object)  # the last one: label −1

    def measure(self, texts: Texts, config: LanguageConfig) -> Columns:
        """Columns `language`, `language_score` and `mixed` (bool)."""
        data, borders = buffers(arrow(texts))
        first, last, sizes, unread = windows(data, borders, config)
        hidden, counts = self._model.embed(data, first, last)
        label, score = self._model.classify(hidden, counts)
        mixed = _differ(np.where(score >= config.min_confidence, label, -1), sizes)

        starts = np.cumsum(sizes) - sizes
        together = np.add.reduceat(hidden, starts) if len(starts) else hidden
        label, score = self._model.classify(together, np.add.reduceat(counts, starts) if len(starts) else counts)
        again = unread & (mixed | (score < config.min_confidence))
        label[again], score[again] = self._model.classify(
            *self._model.embed(data, borders[:-1][again], borders[1:][again])
        )
        return {"language": self._names[label], "language_score": score.astype(np.float64).round(6), "mixed": mixed}


def windows(
    data: Bytes, borders: Offsets, config: LanguageConfig
) -> tuple[Offsets, Offsets, NDArray[np.int64], NDArray[np.bool_]]:
    """The parts of texts `data[borders[i]:borders[i + 1]]` that are read at first, from the start to the end of each.

    Where in `data` each part begins and ends (W,), how many each text has (N,), and whether they leave out some of it.
    """
    texts = len(borders) - 1
    starts, stops = np.empty(texts * config.windows, np.int64), np.empty(texts * config.windows, np.int64)
    sizes, unread = np.empty(texts, np.int64), np.empty(texts, bool)
    found = find_windows(data, borders, config.characters, config.windows, starts, stops, sizes, unread)
    return starts[:found], stops[:found], sizes, unread


def _differ(labels: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the labels of a text's windows differ; −1 names none. `sizes` (N,) windows of each text."""
    if not len(sizes):
        return np.zeros(0, bool)
    starts = np.cumsum(sizes) - sizes
    highest = np.maximum.reduceat(labels, starts)
    lowest = np.minimum.reduceat(np.where(labels < 0, np.iinfo(np.int64).max, labels), starts)
    return (highest >= 0) & (lowest < highest)
