"""Placeholders for credentials. Patterns and their sources: `tasks/corpus/redaction/secrets.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_config.clean import SecretsConfig
from tasks.corpus.redaction import pattern
from tasks.corpus.redaction.settings import patterns
from tasks.curation.edits.edited import Edited


def edit(text: str, config: SecretsConfig) -> Edited:
    return Edited.redacted(pattern.redact(text, patterns(config), config.placeholder))


def edit_batch(texts: Sequence[str], config: SecretsConfig) -> Iterator[tuple[int, Edited]]:
    """The texts that the edit changes, by their place; the others are hardly looked at."""
    for row, redacted in pattern.redact_batch(texts, patterns(config), config.placeholder):
        yield row, Edited.redacted(redacted)
