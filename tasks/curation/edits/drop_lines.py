"""Line rules of C4 (Raffel et al. 2020, section 2.2)."""

from __future__ import annotations

from pipeline_config.clean import DropLinesConfig
from tasks.curation.edits.edited import Edited

TERMINAL = (".", "!", "?", '"', "”", "。", "！", "？")


def edit(text: str, config: DropLinesConfig) -> Edited:
    needles = [needle.lower() for needle in config.containing]
    lines = text.split("\n")
    kept, reasons = [], set()
    for line in lines:
        reason = _fault(line, config, needles) if line.strip() else ""
        if reason:
            reasons.add(reason)
        else:
            kept.append(line)
    return Edited.between(text, "\n".join(kept), f"lines dropped: {', '.join(sorted(reasons))}")


def _fault(line: str, config: DropLinesConfig, needles: list[str]) -> str:
    if len(line.split()) < config.min_words:
        return f"under {config.min_words} words"
    if config.terminal_punctuation and not line.rstrip().endswith(TERMINAL):
        return "no terminal punctuation"
    lower = line.lower()
    return next((f"contains {needle!r}" for needle in needles if needle in lower), "")
