"""Language identification with fastText's `lid.176` (Joulin et al. 2016): ISO 639 code and confidence 0 … 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fasttext
import numpy as np

from pipeline_config.measure import LanguageConfig
from tasks.curation.measures.columns import Columns

UNKNOWN = "und"
"""ISO 639-2 for undetermined: a text without a character that tells."""


class LanguageModel:
    def __init__(self, path: Path) -> None:
        # The class itself: `fasttext.load_model` prints a notice on every call.
        self._model = fasttext.FastText._FastText(model_path=str(path))

    def measure(self, texts: Sequence[str], config: LanguageConfig) -> Columns:
        """Columns `language` and `language_score`; white space counts as one space each."""
        heads = [" ".join(text[: config.characters].split()) for text in texts]
        if not heads:
            return {"language": np.zeros(0, object), "language_score": np.zeros(0)}
        labels, scores = self._model.predict(heads)  # a list: a single text fails under NumPy 2
        return {
            "language": np.array(
                [label[0].removeprefix("__label__") if label else UNKNOWN for label in labels], object
            ),
            "language_score": np.array([min(float(score[0]), 1.0) if len(score) else 0.0 for score in scores]),
        }
