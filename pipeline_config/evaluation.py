"""How the models are judged: what the value ladder is made of."""

from typing import Literal

from pydantic import Field

from pipeline_config.base import Section


class TfidfConfig(Section):
    """TF-IDF + linear support vector machine. The best on the validation split is taken; ties go to the first."""

    word_ngrams: int = Field(default=2, ge=1)
    """Longest word n-gram, words."""
    character_ngrams: tuple[int, int] | None = (3, 5)
    """Shortest and longest character n-gram inside words, tried beside words alone; null: words alone."""
    costs: tuple[float, ...] = Field(default=(0.1, 0.3, 1.0, 3.0), min_length=1)
    """Inverse regularisation strengths (C) to try."""
    class_weights: tuple[Literal["none", "balanced"], ...] = Field(default=("none", "balanced"), min_length=1)
    """Weights of the classes to try: equal, or as `finetune.class_weights: balanced` has them."""


class ForgettingConfig(Section):
    """Masked-LM loss on general text, by the same small head refitted on each frozen encoder."""

    documents: int = Field(default=3600, ge=1)
    """General documents that the head is fitted on."""
    held_out_documents: int = Field(default=400, ge=2)
    """General documents that the loss is measured on; the head never sees them."""
    max_length: int = Field(default=64, ge=8)
    """Tokens kept of a document, specials included."""
    mask_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of tokens that are replaced by the mask token."""
    vocabulary: int = Field(default=3000, ge=2)
    """Tokens to predict: the most frequent of those that were masked. The others stay masked and are not asked for."""
    steps: int = Field(default=400, ge=1)
    """Optimiser steps of the head."""
    batch_size: int = Field(default=128, ge=1)
    """Masked tokens of a step."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout on the states that the head is fitted on; the same entries for both encoders."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Weight decay of the head."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak learning rate of the head (linear warm-up over a tenth of the steps, then linear decay)."""


class EfficiencyConfig(Section):
    """What the clock measures, on one thread."""

    sequence_length: int = Field(default=128, ge=8)
    """Tokens of each timed text (no more than the models take)."""
    repetitions: int = Field(default=15, ge=3)
    """Timed calls at batch 1 for each model, in turn; the median counts."""
    batch_size: int = Field(default=8, ge=1)
    """Texts per call when throughput is measured."""


class EvaluateConfig(Section):
    """Section `evaluate`."""

    metric: Literal["macro_f1", "accuracy"] = "macro_f1"
    """The score that gains are stated in."""
    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples of the test set's groups."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the intervals."""
    seed: int = Field(default=42, ge=0)
    """Seed of resampling, masks and the refitted head."""
    tfidf: TfidfConfig = TfidfConfig()
    """The baseline that every model is held against."""
    forgetting: ForgettingConfig | None = ForgettingConfig()
    """What adaptation cost on general text; null: not measured."""
    efficiency: EfficiencyConfig = EfficiencyConfig()
    """Latency and throughput."""
