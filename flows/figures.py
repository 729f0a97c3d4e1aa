"""The main figure of an artifact, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.runtime.artifact import (
    Artifact,
    Checkpoint,
    CleanCorpus,
    CompressedModel,
    Corpus,
    Evaluation,
    LabelledData,
    Measures,
    PackedCorpus,
    RawCorpus,
    TaskModel,
    Tokenizer,
)


def main_figure(artifact: Artifact) -> str:
    """One line about what a node made; empty for a kind that has no figure."""
    metrics = artifact.metrics
    return str({k: v for k, v in metrics.items() if not isinstance(v, (list, dict))})[:150]


def count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
