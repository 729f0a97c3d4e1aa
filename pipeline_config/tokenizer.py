"""What tokenizer the road works with: the base model's own, that one with domain words added, or a new one."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_config.base import Section


class Keep(Section):
    """The base model's tokenizer as it is."""

    kind: Literal["keep"]


class Extend(Section):
    """Add the domain words that save most tokens to a WordPiece vocabulary; they start as the mean of their pieces."""

    kind: Literal["extend"]
    count: int = Field(default=1000, ge=1)
    """Words to add, at most."""
    min_frequency: int = Field(default=20, ge=1)
    """Occurrences in the corpus that a word needs."""
    min_length: int = Field(default=3, ge=1)
    """Characters that a word needs."""


class Train(Section):
    """Train a new vocabulary on the corpus, for pretraining from scratch."""

    kind: Literal["train"]
    algorithm: Literal["wordpiece", "byte_bpe"] = "wordpiece"
    """WordPiece (Schuster and Nakajima 2012) or byte-level BPE (Radford et al. 2019), which knows no unknown token."""
    vocab_size: int = Field(default=30_000, ge=300)
    """Tokens of the vocabulary at most; special tokens and the alphabet (256 bytes) are among them."""
    min_frequency: int = Field(default=2, ge=1)
    """Occurrences that a pair needs to be merged."""
    lowercase: bool = True
    """Lower-case the text (WordPiece: strip accents too)."""


Vocabulary = Annotated[Keep | Extend | Train, Field(discriminator="kind")]


class TokenizerConfig(Section):
    """The tokenizer of the road."""

    vocabulary: Vocabulary = Keep(kind="keep")
    """Where the vocabulary comes from."""
    report_documents: int = Field(default=3000, ge=1)
    """Documents of each of the two corpora (domain, general) that the report looks at: the first by id."""
    report_terms: int = Field(default=500, ge=1)
    """Domain terms that the report looks at: words far more frequent in the domain than in general text."""
