"""Logistic regression on frozen features: a rung of its own, and the best start for a head.

Fine-tuning from a random head distorts good features in its first steps; starting from a head that was fitted on the
frozen features avoids it (LP-FT: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features", arXiv 2202.10054).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types
from torch import nn
from transformers import PreTrainedModel

from tasks.modelling.classifier import TextClassifier, load_head, new_classifier, read_record

PROBE = "probe.safetensors"


@dataclass(frozen=True)
class LinearProbe:
    weight: NDArray[np.float32]
    """(C, H)."""
    bias: NDArray[np.float32]
    """(C,)."""
    c: float
    """The inverse regularisation strength that was chosen."""
    score: float
    """What it reached on validation."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H) to (N, C)."""
        return features @ self.weight.T + self.bias

    def copy_to(self, head: nn.Linear) -> None:
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.weight))
            head.bias.copy_(torch.from_numpy(self.bias))


def fit_probe(
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    *,
    classes: int,
    grid: Sequence[float],
    class_weights: Literal["none", "balanced"],
    score: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
) -> LinearProbe:
    """Fit one probe per C of `grid` on `train` and return the one with the best validation `score`.

    Args:
        train: features (N, H) and labels (N,); every one of the `classes` occurs.
        score: truth and prediction to a number, higher is better. The smallest C wins a tie.

    For the fit the features are divided by one number, so that their mean norm is the root of their width (each
    dimension about 1) and one grid suits every encoder; the head that comes back takes them as they are.
    """
    features, labels = train
    assert np.unique(labels).size == classes, "every class occurs in training"
    scale = float(np.linalg.norm(features, axis=1).mean()) / features.shape[1] ** 0.5
    probes = []
    with threadpool_limits(1):  # another number of threads adds up in another order
        for c in sorted(grid):
            weight, bias = _fit(features / scale, labels, c, class_weights)
            probe = LinearProbe((weight / scale).astype(np.float32), bias.astype(np.float32), c, 0.0)
            reached = score(validation[1], probe.logits(validation[0]).argmax(1))
            probes.append(LinearProbe(probe.weight, probe.bias, c, reached))
    return max(probes, key=lambda probe: (probe.score, -probe.c))


def load_probe(folder: Path, encoder: PreTrainedModel) -> TextClassifier:
    """The frozen-features classifier that a fine-tuning started from.

    Args:
        folder: of the fine-tuned model; its `probe.safetensors` holds the probe's head.
        encoder: the encoder as it was *before* that fine-tuning (its layers chosen, its embeddings resized).
    """
    record = read_record(folder)
    model = new_classifier(encoder, record["labels"], record["pooling"])
    load_head(model.head, folder / PROBE)
    return model.eval()


def _fit(
    features: NDArray[np.float32], labels: NDArray[np.int64], c: float, class_weights: Literal["none", "balanced"]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (C, H) and bias (C,) of multinomial logistic regression; two classes get two rows, too."""
    regression = LogisticRegression(C=c, max_iter=2000, class_weight=None if class_weights == "none" else "balanced")
    regression.fit(features.astype(np.float64), labels)
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:  # scikit-learn keeps the difference of two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
