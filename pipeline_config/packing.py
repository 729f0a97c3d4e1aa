"""How the corpus becomes token ids and rows."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_config.base import Section


class Mixture(Section):
    """Shares of the text by source or language: p ∝ weight · bytes^(1/temperature), exact to half a document."""

    by: Literal["source", "language"] = "source"
    """What has a share. Languages are those that `measure` identified, as ISO 639 codes."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """By name of the source, or code of the language; 0 leaves it out. Those that are not named have weight 1."""
    temperature: float = Field(default=1.0, gt=0)
    """1 = shares follow the bytes (and weights); the higher, the more alike they are, whatever there is of each."""


class PackConfig(Section):
    """Tokenise once, split off held-out documents, pack documents into rows without splitting borders."""

    max_seq_length: int = Field(default=128, ge=8)
    """Tokens of a row, special ones included. Longer documents are cut into windows."""
    heldout_fraction: float = Field(default=0.02, gt=0.0, le=0.5)
    """Share of documents held out of training, by a hash of their id; at least one document. Texts that resemble one
    another stay on one side."""
    max_documents: dict[str, int] = Field(default={})
    """By source: documents to use at most (sampled by `seed`). Sources that are not named are used whole."""
    mixture: Mixture | None = None
    """In which shares the documents of training are read: some several times in an epoch, others not at all. Null: each
    once. `pretrain.mixture` counts on top of it."""
    seed: int = 0
    """Seed of the sample of `max_documents`, and of what `mixture` reads once more."""
