"""How the corpus becomes token ids and rows."""

from pydantic import Field

from pipeline_config.base import Section


class PackConfig(Section):
    """Tokenise once, split off held-out documents, pack documents into rows without splitting borders."""

    max_seq_length: int = Field(default=128, ge=8)
    """Tokens of a row, special ones included. Longer documents are cut into windows."""
    heldout_fraction: float = Field(default=0.02, gt=0.0, le=0.5)
    """Share of documents held out of training, by a hash of their id; at least one document."""
    max_documents: dict[str, int] = Field(default={})
    """By source: documents to use at most (sampled by `seed`). Sources that are not named are used whole."""
    seed: int = 0
    """Seed of the sample of `max_documents`."""
