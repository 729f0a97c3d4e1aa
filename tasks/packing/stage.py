"""The stage that tokenises the corpus once and packs it into rows."""

from __future__ import annotations

from pipeline_config.packing import PackConfig
from tasks.runtime.artifact import Corpus, PackedCorpus, Tokenizer
from tasks.runtime.stage import Context, stage


@stage("pack", version=2)
def pack(ctx: Context, config: PackConfig, corpus: Corpus, tokenizer: Tokenizer) -> PackedCorpus:
    """Tokenise `corpus`, hold some out by a hash, near texts together, pack the rest; see `tasks.training.packed`."""
    from tasks.packing.pack import pack_corpus

    return ctx.finish(PackedCorpus, metrics=pack_corpus(ctx, config, corpus, tokenizer))
