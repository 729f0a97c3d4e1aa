"""Placeholders for personal data that have a form; names of people have none and need named-entity recognition.

Patterns, checks and their sources: `tasks/corpus/redaction`. What they find and miss: `benchmarks/curation/pii.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_config.clean import PiiConfig
from tasks.corpus.redaction import pattern
from tasks.corpus.redaction.settings import patterns
from tasks.curation.edits.edited import Edited


def edit(text: str, config: PiiConfig) -> Edited:
    return Edited.redacted(pattern.redact(text, patterns(config), config.placeholder))


def edit_batch(texts: Sequence[str], config: PiiConfig) -> Iterator[tuple[int, Edited]]:
    """The texts that the edit changes, by their place; the others are hardly looked at."""
    for row, redacted in pattern.redact_batch(texts, patterns(config), config.placeholder):
        yield row, Edited.redacted(redacted)
