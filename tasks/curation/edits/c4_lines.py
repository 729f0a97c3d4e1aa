"""The line rules of C4 (Raffel et al. 2020, section 2.2), in the order of its code (tensorflow_datasets, c4_utils.py).

What C4 decides about whole pages (`{`, lorem ipsum, sentences, bad words) is the business of rules, not of an edit.
"""

from __future__ import annotations

import re

from pipeline_config.clean import C4LinesConfig
from tasks.curation.edits.edited import Edited

END_MARKS = (".", "?", "!", '"')
ELLIPSIS = "..."
MOST_WORD = 1000  # characters
NOTICES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")


def edit(text: str, config: C4LinesConfig) -> Edited:
    kept, reasons = [], set()
    for written in text.splitlines():
        line = written.strip()
        fault = "a word too long" if any(len(word) > MOST_WORD for word in line.split()) else ""
        line = _CITATION.sub("", line)
        if fault := fault or _fault(line, config.min_words):
            reasons.update([fault] if written.strip() else [])
        else:
            kept.append(line)
    why = f"lines dropped: {', '.join(sorted(reasons))}" if reasons else "lines stripped"
    return Edited.between(text, "\n".join(kept), why)


def _fault(line: str, min_words: int) -> str:
    if not line.endswith(END_MARKS) or line.endswith(ELLIPSIS):
        return "no terminal punctuation"
    if len(line.split()) < min_words:
        return f"under {min_words} words"
    lower = line.lower()
    if "javascript" in lower:
        return "javascript"
    return "a notice of policy" if any(notice in lower for notice in NOTICES) else ""
