"""What is learnt without labels, from what, and for how long."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline_config.base import Section


class FromBase(Section):
    """Go on from the weights of the base model."""

    kind: Literal["base"]


class FromScratch(Section):
    """A new BERT (Devlin et al. 2019, 1810.04805) with random weights; its vocabulary is that of the tokenizer."""

    kind: Literal["scratch"]
    hidden_size: int = Field(default=256, ge=8)
    """Width of the hidden states; a multiple of `attention_heads`."""
    layers: int = Field(default=4, ge=1)
    """Transformer layers."""
    attention_heads: int = Field(default=4, ge=1)
    """Attention heads of a layer."""
    intermediate_size: int = Field(default=1024, ge=8)
    """Width of the feed-forward layers."""
    max_position_embeddings: int = Field(default=512, ge=8)
    """Tokens that the encoder can read at once, at least `pack.max_seq_length`."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "FromScratch":
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is no multiple of attention_heads={self.attention_heads}; choose one."
            )
        return self


class MaskedLanguageModelling(Section):
    """Predict masked tokens (Devlin et al. 2019), masked anew at each visit (Liu et al. 2019, 1907.11692)."""

    kind: Literal["mlm"]
    init: Annotated[FromBase | FromScratch, Field(discriminator="kind")] = FromBase(kind="base")
    """Where the weights come from."""
    mask_probability: float = Field(default=0.15, gt=0.0, lt=1.0)
    """Share of the tokens to predict; special tokens never."""
    mask_share: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of these that reads as the mask token."""
    random_share: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of these that reads as a random token; the rest reads as it is."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Dropout probability of all layers."""
    head_warmup_steps: int = Field(default=150, ge=1)
    """Steps in which a new vocabulary head is fitted to the frozen base, before the encoder learns."""
    head_learning_rate: float = Field(default=1e-3, gt=0.0)
    """Peak learning rate of these steps."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "MaskedLanguageModelling":
        if self.mask_share + self.random_share > 1.0:
            raise ValueError(
                f"mask_share={self.mask_share} and random_share={self.random_share} are above 1 together; "
                "expected at most 1 (the rest stays as it is)."
            )
        return self


class EmbeddingDistillation(Section):
    """A student made of layers of the base learns to embed the domain's text as the base does (after Reimers and
    Gurevych 2020, 2004.09813, and Jiao et al. 2020, 1909.10351)."""

    kind: Literal["embedding_distillation"]
    layers: tuple[int, ...] = Field(min_length=1)
    """Layers of the base, from 0, that the student keeps; ascending."""
    cosine_weight: float = Field(default=2.0, ge=0.0)
    """Weight of 1 - cosine of the mean-pooled embeddings."""
    hidden_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the relative squared error of the last hidden states."""
    random_window_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the visits to a long document that read a random window of it instead of its beginning."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout probability of the student."""


Objective = Annotated[MaskedLanguageModelling | EmbeddingDistillation, Field(discriminator="kind")]


class Steps(Section):
    """A number of optimiser steps."""

    kind: Literal["steps"]
    steps: int = Field(ge=1)
    """Optimiser steps."""


class Tokens(Section):
    """As many optimiser steps as it takes to read a number of tokens."""

    kind: Literal["tokens"]
    tokens: int = Field(ge=1)
    """Tokens that are read, padding left out."""


class PretrainConfig(Section):
    """Training without labels."""

    objective: Objective = MaskedLanguageModelling(kind="mlm")
    """What is learnt."""
    budget: Annotated[Steps | Tokens, Field(discriminator="kind")] = Steps(kind="steps", steps=1000)
    """How long."""
    mixture: dict[str, float] = Field(default={})
    """By source: how often an epoch reads it (4 = four times, 0.5 = a half, 0 = never). Sources not named: once."""
    train_batch_size: int = Field(default=32, ge=1)
    """Rows (masked language modelling) or documents (embedding distillation) of an optimiser step."""
    learning_rate: float = Field(default=1e-4, gt=0.0)
    """Peak learning rate."""
    warmup_steps: int = Field(default=50, ge=0)
    """Steps of linear warm-up; linear decay follows to the end of the budget."""
    weight_decay: float = Field(default=0.01, ge=0.0)
    """Decay of AdamW, for matrices alone."""
    adam_betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of AdamW's two moments, each at least 0 and below 1."""
    max_grad_norm: float | None = Field(default=1.0, gt=0.0)
    """Largest L2 norm of the gradient; null = not clipped."""
    ema_decay: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Decay a step of the moving average of the weights, which becomes the result; null = the last weights."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of training. bf16 (autocast) is faster on GPUs and on some CPUs; `textmill doctor` times both."""
    heldout_tokens: int = Field(default=20_000, ge=1)
    """Tokens of held-out documents that the loss before and after is taken over, about."""
    seed: int = 0
    """Seed of data order, masks, dropout and new weights."""

    @model_validator(mode="after")
    def _fits(self) -> "PretrainConfig":
        if self.budget.kind == "steps" and self.warmup_steps >= self.budget.steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} does not fit budget.steps={self.budget.steps}; expected fewer."
            )
        if not all(0.0 <= beta < 1.0 for beta in self.adam_betas):
            raise ValueError(f"adam_betas={list(self.adam_betas)}: expected two numbers from 0 up to below 1.")
        negative = sorted(source for source, weight in self.mixture.items() if weight < 0)
        if negative:
            raise ValueError(f"mixture.{negative[0]}={self.mixture[negative[0]]}: expected 0 or more.")
        return self
