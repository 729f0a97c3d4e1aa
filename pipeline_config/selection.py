"""Which documents are kept: rules over measures, decontamination, exact and near duplicates, repeated passages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline_config.base import Section
from pipeline_config.rule_presets import DOMAIN
from pipeline_config.rules import DomainRules, PresetRules, RuleEntry

OTHER_STEPS = ("keep", "drop", "decontaminate", "exact", "near", "repeated_passages")
"""Steps of select that are no rules: no rule has such a name."""
TAKEN = ("kept", "clean")
"""Nor is a rule called as samples to judge call the kept documents, comparisons what `clean` emptied, or what-if a
setting of select."""


class DecontaminateConfig(Section):
    """No labelled validation or test text and no benchmark's stays in the corpus, neither as it is nor as the edits of
    `clean` leave it."""

    ngram_size: int = Field(default=13, ge=1)
    """Words in an n-gram."""
    containment: float = Field(default=0.5, gt=0, le=1)
    """A document leaks when it holds this share of a held-out text's n-grams; of a shorter text it must hold all."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """A document leaks when its shingles have this Jaccard with those of a held-out text."""
    boilerplate_groups: int = Field(default=10, ge=1)
    """N-grams in more groups of held-out texts than this do not count; a passage of a benchmark is in one group."""
    min_words: int = Field(default=5, ge=1)
    """Held-out texts of fewer words leak by Jaccard only: a few words occur anywhere."""


class NearDuplicatesConfig(Section):
    """Near-duplicates by verified edges and greedy keep."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """A document is dropped when its exact Jaccard with a kept one is this or more."""
    bands: Annotated[int, Field(ge=1)] | Literal["auto"] = 14
    """Bands of the signatures; must divide their number of permutations. 14 × 8 finds 92 % of pairs at 0.8. `auto`:
    those that find at least `recall` of the pairs at the threshold, with the fewest false candidates."""
    recall: float = Field(default=0.97, gt=0, lt=1)
    """What `auto` aims at: the share of pairs exactly at the threshold that share a band. More alike ones do more
    often."""
    min_words: int = Field(default=20, ge=0)
    """Texts of fewer words are duplicates only of texts with the same words in the same order."""
    max_bucket: int = Field(default=1000, ge=2)
    """Documents with one key in a band, above which the report names them: such a boilerplate costs time. None of them
    is passed over."""


class RepeatedPassagesConfig(Section):
    """Cut passages that stand word for word in what is left of an earlier document that is kept (after Lee et al. 2022,
    arXiv 2107.06499). What is cut stands whole in the document that `cuts.parquet` names.

    In law, licensing and standards a repeated passage is content: look at what would be cut before it is.
    """

    min_words: int = Field(default=50, ge=1)
    """Words of a passage, at least; Lee et al. take 50 tokens. Words end at white space; case and punctuation count."""
    min_bytes: int = Field(default=0, ge=0)
    """UTF-8 bytes of a passage, at least, white space in it and behind it included. It must reach both minima,
    passages of several documents that overlap or adjoin taken together."""
    report_only: bool = True
    """Show cost and samples, and cut nothing."""


DocumentId = Annotated[str, Field(pattern=r"^doc:[0-9a-f]{32}$")]


class SelectConfig(Section):
    """Decisions in this order: `drop`, rules, decontamination, exact duplicates, near-duplicates, repeated
    passages."""

    drop: tuple[DocumentId, ...] = ()
    """Documents to leave out whatever else holds, such as after a request to take them down: `doc:` and the id's 32
    hexadecimal digits; or the path of a file with one a line, relative to the config file. What has the same text
    goes with them, and near-duplicates that stay are named."""
    keep: tuple[DocumentId, ...] = ()
    """Documents that no rule and no duplicate displaces, written likewise. What leaks a held-out text goes all the
    same, and `drop` wins, also over other documents with the text of what it lists."""
    rules: tuple[RuleEntry, ...] = DOMAIN
    """Each judges every document; the first in this order that drops one is its reason."""
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    """Against the labelled validation and test texts, and benchmarks."""
    exact_duplicates: bool = True
    """Keep one of several documents with the same text."""
    near_duplicates: NearDuplicatesConfig | None = NearDuplicatesConfig()
    """Null: keep them."""
    repeated_passages: RepeatedPassagesConfig | None = None
    """Null: do not look for them. What comes first in the order of `priority` stays."""
    priority: tuple[str, ...] = ()
    """Sources whose documents stay when duplicates are dropped, the most wanted first; then the rest. Within one
    priority the longest text stays, then that with the lowest id. What came in an earlier version of the corpus stays
    before all that came later (`measure.refit`)."""
    accept_losses: tuple[str, ...] = ()
    """Steps (a rule's name, `drop`, `decontaminate`, `exact`, `near`, `repeated_passages`) that may take more than half
    of the documents or bytes, or more than 90 % of a source; what is cut counts as bytes. Any other that does stops
    the stage, and says what it takes."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> SelectConfig:
        taken: dict[str, int] = {}
        for at, rule in enumerate(self.rules):
            if isinstance(rule, PresetRules | DomainRules) or not rule.name:
                continue
            if rule.name in (*OTHER_STEPS, *TAKEN, *type(self).model_fields):
                raise ValueError(
                    f"rules.{at}.name={rule.name!r} has a meaning already (a step or setting of select, or what "
                    "becomes of documents); choose another."
                )
            if rule.name in taken:
                raise ValueError(
                    f"rules.{at}.name={rule.name!r} is the name of rules.{taken[rule.name]} too; choose another."
                )
            taken[rule.name] = at
        return self
