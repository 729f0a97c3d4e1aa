"""The stage that learns without labels."""

from __future__ import annotations

import json
from typing import assert_never

from pipeline_config.pretraining import EmbeddingDistillation, MaskedLanguageModelling, PretrainConfig
from tasks.runtime.artifact import Checkpoint, InputFiles, PackedCorpus, Tokenizer
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context, stage


@stage("pretrain", version=1, gpus=1)
def pretrain(
    ctx: Context, config: PretrainConfig, base: InputFiles, tokenizer: Tokenizer, packed: PackedCorpus
) -> Checkpoint:
    """Adapt `base` to the corpus, or train from scratch (`objective.init.kind=scratch`: `base` is then not read).

    Metrics: `heldout_loss` before and after, `steps`, `tokens` read, `parameters` of the encoder.
    """
    _refuse_foreign_vocabulary(config, tokenizer)
    match config.objective:
        case MaskedLanguageModelling() as objective:
            from tasks.pretraining.mlm import pretrain_mlm

            metrics = pretrain_mlm(ctx, config, objective, base, tokenizer, packed)
        case EmbeddingDistillation() as objective:
            from tasks.pretraining.distilled import pretrain_distilled

            metrics = pretrain_distilled(ctx, config, objective, base, tokenizer, packed)
        case _:
            assert_never(config.objective)
    return ctx.finish(Checkpoint, metrics=metrics)


def _refuse_foreign_vocabulary(config: PretrainConfig, tokenizer: Tokenizer) -> None:
    """The embeddings of the base fit its own vocabulary, kept or extended, and no new one."""
    objective = config.objective
    from_scratch = isinstance(objective, MaskedLanguageModelling) and objective.init.kind == "scratch"
    trained = json.loads((tokenizer.path / "report.json").read_text("utf-8"))["kind"] == "train"
    if trained and not from_scratch:
        raise RefusedInput(
            "tokenizer.vocabulary.kind='train' gives a vocabulary that the base model does not know. Use kind: keep or "
            "extend, or pretrain from scratch: pretrain.objective: {kind: mlm, init: {kind: scratch}}."
        )
