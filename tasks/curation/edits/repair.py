"""Repair of text that was decoded wrongly somewhere on its way, by ftfy (Speer 2019, zenodo 2591652)."""

from __future__ import annotations

import ftfy

from pipeline_config.clean import RepairConfig
from tasks.curation.edits.edited import Edited


def edit(text: str, config: RepairConfig) -> Edited:
    if text.isascii() and "\x1b" not in text:  # ASCII was never decoded wrongly
        return Edited(text)
    plan = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_control_chars=False,
        fix_line_breaks=False,
        uncurl_quotes=config.straighten_quotes,
        normalization=None,
        explain=False,
    )
    return Edited.between(text, ftfy.fix_text(text, plan), "characters repaired")
