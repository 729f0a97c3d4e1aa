"""Markdown to plain text."""

from __future__ import annotations

from pipeline_config.clean import MarkdownConfig
from tasks.corpus.markup import markdown_to_text
from tasks.curation.edits.edited import Edited


def edit(text: str, config: MarkdownConfig) -> Edited:  # noqa: ARG001  # every edit takes its config
    return Edited.between(text, markdown_to_text(text), "Markdown taken out")
