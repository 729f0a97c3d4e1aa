"""The tokenizer of a road, and the report on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, assert_never

from pipeline_config.tokenizer import Extend, Keep, TokenizerConfig, Train
from tasks.corpus.document import iter_documents
from tasks.modelling.encoder import load_tokenizer
from tasks.runtime.artifact import Corpus, InputFiles, RawCorpus
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.tokenizer import vocabulary
from tasks.tokenizer.report import compare, domain_terms, resegmented


def build(
    ctx: Context, config: TokenizerConfig, base: InputFiles, corpus: Corpus, general: RawCorpus | None
) -> dict[str, Any]:
    """Write `tokenizer/`, `new_tokens.json` and `report.json` into `ctx.out`; return the metrics."""
    old, folder = vocabulary.load_fast(base.folder), ctx.out / "tokenizer"
    if missing := [name for name in ("cls", "sep") if getattr(old, f"{name}_token") is None]:
        raise RefusedInput(
            f"{base.folder}: the tokenizer has no {missing[0]} token; expected an encoder's, like BERT's."
        )
    added: list[dict[str, Any]] = []
    changed: dict[str, Any] | None = None
    match config.vocabulary:
        case Keep():
            load_tokenizer(base.folder).save_pretrained(folder)
        case Extend() as choice:
            ctx.say("counting words")
            counts = vocabulary.word_counts(old, _texts(corpus))
            added = vocabulary.choose_words(old, counts, choice)
            new = vocabulary.extend(load_tokenizer(base.folder), [word["token"] for word in added], folder)
            changed = resegmented(old, new, counts, {word["token"] for word in added})
        case Train() as choice:
            ctx.say("training a vocabulary")
            vocabulary.train(lambda: _texts(corpus), choice, old.model_max_length).save_pretrained(folder)
        case _:
            assert_never(config.vocabulary)
    new = vocabulary.load_fast(folder)
    domain_sample = list(islice(_texts(corpus), config.report_documents))
    general_sample = list(islice(_texts(general), config.report_documents)) if general else []
    terms = domain_terms(domain_sample, general_sample, config.report_terms)
    report = {
        "kind": config.vocabulary.kind,
        "vocabulary": {"before": len(old), "after": len(new)},
        "added": len(added),
        **compare(old, new, domain_sample, general_sample, terms),
        "resegmented": changed,
    }
    _write(ctx.out / "new_tokens.json", added)
    _write(ctx.out / "report.json", report)
    return report


def _texts(corpus: Corpus | RawCorpus) -> Iterator[str]:
    """In the order of the ids, which are hashes: the first ones are a fair sample."""
    for batch in iter_documents(corpus.path / "documents", ["text"]):
        yield from batch["text"].to_pylist()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
