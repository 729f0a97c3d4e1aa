"""Unicode normal form (Unicode Standard Annex 15)."""

from __future__ import annotations

import unicodedata

from pipeline_config.clean import NormalFormConfig
from tasks.curation.edits.edited import Edited


def edit(text: str, config: NormalFormConfig) -> Edited:
    if unicodedata.is_normalized(config.form, text):
        return Edited(text)
    return Edited.between(text, unicodedata.normalize(config.form, text), f"brought to {config.form}")
