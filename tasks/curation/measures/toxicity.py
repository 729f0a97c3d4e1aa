"""Toxicity: words of lists per 1 000 words, or the probability that a classifier gives.

A list knows words, not what is meant: it misses threats in clean words and minds anatomy. How often either errs on
technical text stands in `benchmarks/curation/toxicity.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_config.measure import FastTextToxicity, Toxicity, TransformersToxicity, WordListToxicity
from tasks.corpus.word_list import AFTER, BEFORE, normal, pattern
from tasks.runtime.artifact import InputFile, InputFiles
from tasks.runtime.errors import RefusedInput

_BATCH = 32


class Scorer(Protocol):
    def measure(self, texts: Sequence[str], languages: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:
        """The toxicity of texts (N,), given the language of each and its number of words."""


def toxicity_scorer(config: Toxicity, files: InputFiles) -> Scorer:
    """
    Raises:
        RefusedInput: the files are no word lists, or no classifier that knows the label.
    """
    match config:
        case WordListToxicity():
            return WordLists(config, files.files)
        case FastTextToxicity():
            return FastText(config, files.files[0].path)
        case TransformersToxicity():
            return Transformers(config, files.folder)
        case _:
            assert_never(config)


class WordLists:
    """Occurrences of the words and phrases of the document's language; case and normal form do not count."""

    def __init__(self, config: WordListToxicity, files: Sequence[InputFile]) -> None:
        self._patterns: dict[str, str] = {}
        for file in files:
            language = Path(file.name).stem
            if found := pattern(_read(file), language, config.exclude):
                self._patterns[language] = found
        self._compiled = {language: re.compile(text) for language, text in self._patterns.items()}

    def measure(self, texts: Sequence[str], languages: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:
        counts = np.zeros(len(texts), np.int64)
        for language, compiled in self._compiled.items():
            rows = np.flatnonzero(languages.astype(str) == language).tolist()
            if not rows:
                continue
            normalised = [normal(texts[row]) for row in rows]
            bare = self._patterns[language].removeprefix(BEFORE).removesuffix(AFTER)
            hits = pc.match_substring_regex(pa.array(normalised, pa.large_string()), bare)
            for place in np.flatnonzero(hits.to_numpy(zero_copy_only=False)).tolist():
                counts[rows[place]] = sum(1 for _ in compiled.finditer(normalised[place]))
        shares: NDArray[np.float64] = 1000 * counts / np.maximum(words, 1)
        return shares


def _read(file: InputFile) -> list[str]:
    try:
        words = json.loads(file.path.read_text(encoding="utf-8"))
    except ValueError as error:
        words = str(error)
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise RefusedInput(f"{file.name} (measure.toxicity.path) is no word list; expected a JSON list of texts.")
    return words


class FastText:
    def __init__(self, config: FastTextToxicity, path: Path) -> None:
        import fasttext

        try:  # the class itself: `fasttext.load_model` prints a notice on every call
            self._model = fasttext.FastText._FastText(model_path=str(path))
            known = [label.removeprefix("__label__") for label in self._model.get_labels()]
        except ValueError as error:
            raise RefusedInput(f"measure.toxicity.path={config.path} is no fastText classifier: {error}") from None
        _check(config.label, known, config.path)
        self._label = f"__label__{config.label}"

    def measure(self, texts: Sequence[str], languages: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:  # noqa: ARG002  # as Scorer says
        scores = np.zeros(len(texts))
        for row, text in enumerate(texts):
            # The bindings themselves: of several texts fastText's `predict` gives every label the first one's score.
            given = self._model.f.predict(" ".join(text.split()) + "\n", -1, 0.0, "strict")
            scores[row] = next((min(float(score), 1.0) for score, label in given if label == self._label), 0.0)
        return scores


class Transformers:
    def __init__(self, config: TransformersToxicity, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._model = AutoModelForSequenceClassification.from_pretrained(
                str(folder), use_safetensors=True, **local
            ).eval()
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **local)
        except (OSError, ValueError) as error:
            raise RefusedInput(
                f"measure.toxicity.path={config.path} is no classifier that can be loaded: {error} "
                "Expected a folder with config.json, model.safetensors and a tokenizer."
            ) from None
        _check(config.label, list(self._model.config.label2id), config.path)
        self._label, self._length = self._model.config.label2id[config.label], config.max_length

    def measure(self, texts: Sequence[str], languages: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:  # noqa: ARG002  # as Scorer says
        import torch

        many = self._model.config.problem_type == "multi_label_classification" or self._model.config.num_labels == 1
        scores = [np.zeros(0)]
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                tokens = self._tokenizer(
                    list(texts[start : start + _BATCH]),
                    padding=True,
                    truncation=True,
                    max_length=self._length,
                    return_tensors="pt",
                )
                logits = self._model(**tokens).logits.double()  # (B, labels)
                probability = logits.sigmoid() if many else logits.softmax(-1)
                scores.append(probability[:, self._label].numpy())
        return np.concatenate(scores).round(4)  # what the texts beside it in a batch can change is far less


def _check(label: str, known: Sequence[str], path: str) -> None:
    if label not in known:
        raise RefusedInput(
            f"measure.toxicity.label={label!r}: the classifier {path} does not know it; expected one of "
            f"{', '.join(sorted(known))}."
        )
