"""Fine-tuning: a text classifier from an encoder and a few labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_never

from pydantic import Field, model_validator

from pipeline_config.base import Section

FinetunePartName = Literal["frozen", "base", "compact", "adapted"]

_Dropout = Annotated[float, Field(ge=0, lt=1)]
_Layers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
_Length = Annotated[int, Field(ge=3)]
_Grid = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class _Reading(Section):
    """How texts become vectors and how the linear probe on them is fitted; shared by all that follows."""

    pooling: Literal["cls", "mean", "max"] = "mean"
    """How token vectors become one vector a text: the first token, the average, or the maximum of each dimension."""
    max_seq_length: _Length = 128
    """Tokens of a text that are read, special ones included; the rest is cut off."""
    truncation_side: Literal["right", "left"] = "right"
    """The end of an over-long text that is cut off: `right` keeps its beginning, `left` its end."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs every class by texts / (classes x texts of the class), so that rare ones count as much."""
    probe_c: _Grid = (0.1, 0.3, 1.0)
    """Inverse regularisation strengths C of the logistic regression; the best one on validation is taken."""


class _Training(_Reading):
    """How encoder and head are trained."""

    head_init: Literal["scratch", "linear_probe"] = "linear_probe"
    """`linear_probe` starts the head from logistic regression on the frozen encoder's features (LP-FT, Kumar et al.
    2022, arXiv 2202.10054), `scratch` from random numbers."""
    head_c: float = Field(default=0.003, gt=0)
    """Inverse regularisation strength C of the logistic regression that the head starts from. It is far below
    `probe_c`: a head that fits the training texts already leaves the encoder nothing to learn."""
    learning_rate: float = Field(default=5e-5, gt=0)
    """Peak learning rate of the encoder."""
    head_learning_rate: float = Field(default=5e-4, gt=0)
    """Peak learning rate of the head."""
    num_train_epochs: int = Field(default=4, ge=1)
    """Passes over the training split."""
    train_batch_size: int = Field(default=16, ge=1)
    """Texts per optimiser step, however many devices or portions they are computed on."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises; it then falls linearly to 0."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of matrices (AdamW)."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Largest L2 norm of the gradient; longer ones are scaled down."""
    dropout: _Dropout = 0.1
    """Every dropout probability of encoder and head while training."""
    early_stopping_patience: int | None = Field(default=None, ge=1)
    """Epochs in a row without a better validation macro-F1 after which training stops; null = never."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16` computes under autocast, which pays only on hardware made for it; weights stay fp32."""


class FullFinetune(_Training):
    """Train encoder and head (Devlin et al. 2019, arXiv 1810.04805); keep the epoch with the best validation macro-F1.

    What one node gets.
    """

    kind: Literal["full"]
    seed: int = Field(default=42, ge=0)
    """Seed of the head, the order of the texts and dropout."""
    layers: _Layers | None = None
    """Layers of the encoder to keep, counted from 0; null = all."""


class FrozenProbe(_Reading):
    """Fit logistic regression on the untouched encoder's features (Alain and Bengio 2016, arXiv 1610.01644).

    It has no seed and no learning rate.
    """

    kind: Literal["frozen"]
    layers: _Layers | None = None
    """Layers of the encoder to keep, counted from 0; null = all."""


FinetuneConfig = Annotated[FullFinetune | FrozenProbe, Field(discriminator="kind")]


class FrozenPart(Section):
    """The frozen base with a linear probe: what the labels give without any training. Null = as in `finetune`."""

    enabled: bool = True
    """Whether the road has this node."""
    pooling: Literal["cls", "mean", "max"] | None = None
    """Instead of `finetune.pooling`."""
    max_seq_length: _Length | None = None
    """Instead of `finetune.max_seq_length`; tokens."""
    truncation_side: Literal["right", "left"] | None = None
    """Instead of `finetune.truncation_side`."""
    class_weights: Literal["none", "balanced"] | None = None
    """Instead of `finetune.class_weights`."""
    probe_c: _Grid | None = None
    """Instead of `finetune.probe_c`."""
    layers: _Layers | None = None
    """Layers of the encoder to keep, counted from 0; null = all."""


class FinetunePart(FrozenPart):
    """A fine-tuned model of the road. Null = as in `finetune`."""

    head_init: Literal["scratch", "linear_probe"] | None = None
    """Instead of `finetune.head_init`."""
    head_c: float | None = Field(default=None, gt=0)
    """Instead of `finetune.head_c`."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Instead of `finetune.learning_rate`."""
    head_learning_rate: float | None = Field(default=None, gt=0)
    """Instead of `finetune.head_learning_rate`."""
    num_train_epochs: int | None = Field(default=None, ge=1)
    """Instead of `finetune.num_train_epochs`; passes."""
    train_batch_size: int | None = Field(default=None, ge=1)
    """Instead of `finetune.train_batch_size`; texts per optimiser step."""
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    """Instead of `finetune.warmup_ratio`; share of the steps."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Instead of `finetune.weight_decay`."""
    max_grad_norm: float | None = Field(default=None, gt=0)
    """Instead of `finetune.max_grad_norm`."""
    dropout: _Dropout | None = None
    """Instead of `finetune.dropout`."""
    early_stopping_patience: int | None = Field(default=None, ge=1)
    """Instead of `finetune.early_stopping_patience`; epochs."""
    precision: Literal["fp32", "bf16"] | None = None
    """Instead of `finetune.precision`."""


class FinetuneSection(_Training):
    """All fine-tuned models of a road: what they share, and what each has of its own."""

    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(42,), min_length=1)
    """A model is trained per seed; the first seed's is the one that is distilled and promoted."""
    frozen: FrozenPart = FrozenPart()
    """The frozen base encoder with a linear probe."""
    base: FinetunePart = FinetunePart()
    """The base encoder, fine-tuned."""
    compact: FinetunePart = FinetunePart()
    """Layers of the base encoder (`layers`) without domain text, fine-tuned: the control of `adapted`."""
    adapted: FinetunePart = FinetunePart()
    """The encoder that pretraining adapted to the domain text, fine-tuned."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> FinetuneSection:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds={list(self.seeds)}: expected different numbers; each is a model of its own.")
        return self

    def part(self, name: FinetunePartName) -> FrozenPart:
        match name:
            case "frozen":
                return self.frozen
            case "base":
                return self.base
            case "compact":
                return self.compact
            case "adapted":
                return self.adapted
            case _:
                assert_never(name)

    def seeds_of(self, name: FinetunePartName) -> tuple[int, ...]:
        """The seeds to make nodes of: the frozen probe has nothing random, so that one is enough; () = not enabled."""
        if not self.part(name).enabled:
            return ()
        return self.seeds[:1] if name == "frozen" else self.seeds

    def node_config(self, name: FinetunePartName, seed: int) -> FullFinetune | FrozenProbe:
        """The configuration of one node: shared fields, overridden by the part's own."""
        own = {
            key: value for key, value in self.part(name).model_dump(exclude={"enabled"}).items() if value is not None
        }
        if name == "frozen":
            return FrozenProbe(kind="frozen", **(self._shared(_Reading) | own))
        return FullFinetune(kind="full", seed=seed, **(self._shared(_Training) | own))

    def _shared(self, fields: type[Section]) -> dict[str, Any]:
        return self.model_dump(include=set(fields.model_fields))
