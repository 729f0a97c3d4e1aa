"""The stage that settles the tokenizer."""

from __future__ import annotations

from pipeline_config.tokenizer import TokenizerConfig
from tasks.runtime.artifact import Corpus, InputFiles, RawCorpus, Tokenizer
from tasks.runtime.stage import Context, stage


@stage("tokenizer", version=1)
def tokenizer(
    ctx: Context, config: TokenizerConfig, base: InputFiles, corpus: Corpus, general: RawCorpus | None
) -> Tokenizer:
    """Keep, extend or train the vocabulary; report what it is worth on `corpus` and, if any, `general` text."""
    from tasks.tokenizer.build import build

    return ctx.finish(Tokenizer, metrics=build(ctx, config, base, corpus, general))
