"""Language identification with fastText's `lid.176` (Joulin et al. 2016): ISO 639 code and confidence 0 … 1.

A long text is read in windows from its start to its end. Their answer together holds for it, if it is confident;
otherwise all of it is read. A text is *mixed* when two windows confidently name different languages: one of a
window or less (500 characters, as configured) is not looked at for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_config.measure import LanguageConfig
from tasks.curation.measures.columns import Columns
from tasks.curation.measures.fasttext_model import FastTextModel, NotFastText
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

    def measure(self, texts: Sequence[str], config: LanguageConfig) -> Columns:
        """Columns `language`, `language_score` and `mixed` (bool)."""
        pieces = [windows(text, config) for text in texts]
        sizes = np.array([len(held) for held in pieces], np.int64)
        hidden, counts = self._embed([piece for held in pieces for piece in held])
        label, score = self._model.classify(hidden, counts)
        mixed = _differ(np.where(score >= config.min_confidence, label, -1), sizes)

        starts = np.cumsum(sizes) - sizes
        together = np.add.reduceat(hidden, starts) if len(starts) else hidden
        label, score = self._model.classify(together, np.add.reduceat(counts, starts) if len(starts) else counts)
        unread = np.array([sum(map(len, held)) < len(text) for held, text in zip(pieces, texts, strict=True)], bool)
        again = np.flatnonzero(unread & (mixed | (score < config.min_confidence)))
        label[again], score[again] = self._model.classify(*self._embed([texts[at] for at in again.tolist()]))
        return {"language": self._names[label], "language_score": score.astype(np.float64).round(6), "mixed": mixed}

    def _embed(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        encoded = [text.encode() for text in texts]
        borders = np.cumsum([0, *map(len, encoded)])
        return self._model.embed(np.frombuffer(b"".join(encoded), np.uint8), borders[:-1], borders[1:])


def windows(text: str, config: LanguageConfig) -> list[str]:
    """The parts of a text that are read at first, from its start to its end; together not more than the text."""
    count = config.windows
    if len(text) <= config.characters or count == 1:
        return [text[: config.characters]]
    width = min(config.characters, -(-len(text) // count))
    starts = [at * (len(text) - width) // (count - 1) for at in range(count)]
    return [text[start : start + width] for start in starts]


def _differ(labels: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the labels of a text's windows differ; −1 names none. `sizes` (N,) windows of each text."""
    if not len(sizes):
        return np.zeros(0, bool)
    starts = np.cumsum(sizes) - sizes
    highest = np.maximum.reduceat(labels, starts)
    lowest = np.minimum.reduceat(np.where(labels < 0, np.iinfo(np.int64).max, labels), starts)
    return (highest >= 0) & (lowest < highest)
