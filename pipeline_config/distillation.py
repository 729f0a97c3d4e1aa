"""Distillation: a small student learns a fine-tuned teacher's answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline_config.base import Section


class CheckpointStudent(Section):
    """The student starts from a pretrained encoder of its own, the adapted one (Turc et al. 2019, arXiv 1908.08962)."""

    kind: Literal["checkpoint"]


class TeacherLayersStudent(Section):
    """The student starts from layers of the teacher (Sanh et al. 2019, arXiv 1910.01108)."""

    kind: Literal["teacher_layers"]
    layers: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    """Layers of the teacher to keep, counted from 0, ascending."""


Student = Annotated[CheckpointStudent | TeacherLayersStudent, Field(discriminator="kind")]


class CrossEntropyLoss(Section):
    """Cross-entropy with the gold label (Hinton et al. 2015); a text without a label has no such term."""

    kind: Literal["cross_entropy"]
    weight: float = Field(default=0.3, gt=0)
    """Factor in the sum of losses."""


class SoftTargetsLoss(Section):
    """KL divergence from the teacher's softened probabilities, times T² (Hinton et al. 2015, arXiv 1503.02531)."""

    kind: Literal["soft_targets"]
    weight: float = Field(default=0.7, gt=0)
    """Factor in the sum of losses."""
    temperature: float = Field(default=2.0, gt=0)
    """T, by which the logits of both are divided; higher is softer."""


class HiddenCosineLoss(Section):
    """1 - cosine of student's and teacher's last hidden states (Sanh et al. 2019, DistilBERT, arXiv 1910.01108).

    It needs a student of the teacher's width and tokenizer.
    """

    kind: Literal["hidden_cosine"]
    weight: float = Field(default=1.0, gt=0)
    """Factor in the sum of losses."""


DistillationLoss = Annotated[CrossEntropyLoss | SoftTargetsLoss | HiddenCosineLoss, Field(discriminator="kind")]


class DistillConfig(Section):
    """Section `distill`: what the student learns from, and how."""

    student: Student = CheckpointStudent(kind="checkpoint")
    """Where the student's encoder comes from."""
    losses: tuple[DistillationLoss, ...] = Field(
        default=(SoftTargetsLoss(kind="soft_targets"), CrossEntropyLoss(kind="cross_entropy")), min_length=1
    )
    """Weighted and added up, a text at a time; each kind once."""
    transfer_sources: tuple[str, ...] | None = None
    """Sources of the curated corpus whose texts the teacher labels for the student; null = all, [] = none."""
    max_transfer_documents: int = Field(default=2000, ge=0)
    """At most this many of those texts (a uniform sample)."""
    head_init: Literal["scratch", "teacher", "linear_probe"] = "linear_probe"
    """The head starts from random numbers, from the teacher's (same width), or from logistic regression on the
    student's frozen features of the training split."""
    head_c: float = Field(default=0.003, gt=0)
    """Inverse regularisation strength C of that logistic regression."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak learning rate of the encoder."""
    head_learning_rate: float = Field(default=2e-4, gt=0)
    """Peak learning rate of the head."""
    num_train_epochs: int = Field(default=2, ge=1)
    """Passes over labelled and unlabelled texts; the best one on validation is kept."""
    train_batch_size: int = Field(default=16, ge=1)
    """Texts per optimiser step, however many devices or portions they are computed on."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises; it then falls linearly to 0."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of matrices (AdamW)."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Largest L2 norm of the gradient; longer ones are scaled down."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Every dropout probability of the student while training."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16` computes under autocast, which pays only on hardware made for it; weights stay fp32."""
    seed: int = Field(default=42, ge=0)
    """Seed of the head, the order of the texts and dropout."""

    @model_validator(mode="after")
    def _each_loss_once(self) -> DistillConfig:
        kinds = [loss.kind for loss in self.losses]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"losses={kinds}: expected each kind once.")
        return self
