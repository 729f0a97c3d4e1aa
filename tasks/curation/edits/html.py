"""HTML to plain text."""

from __future__ import annotations

from pipeline_config.clean import HtmlConfig
from tasks.corpus.markup import html_to_text
from tasks.curation.edits.edited import Edited


def edit(text: str, config: HtmlConfig) -> Edited:  # noqa: ARG001  # every edit takes its config
    return Edited.between(text, html_to_text(text), "HTML taken out")
