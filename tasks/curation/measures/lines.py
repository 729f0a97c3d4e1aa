"""Statistics of lines: Gopher's (Rae et al. 2021, table A1) and FineWeb's (Penedo et al. 2024, section 3.5)."""

from __future__ import annotations

import numpy as np

from tasks.curation.measures.batch import Batch, Columns, share

BULLETS = ("•", "-", "*", "‣", "▪", "◦", "·")
ELLIPSES = ("…", "...")
TERMINAL = (".", "!", "?", '"', "'", "”", "’", ":", "。", "！", "？")
CODE = (";", "{", "}")
SHORT = 30  # characters


def measure(batch: Batch) -> Columns:
    lines = batch.lines
    counts = np.array([len(held) for held in lines], np.int64)

    def fraction(holds: list[int]) -> np.ndarray:
        return share(np.array(holds, np.int64), counts)

    return {
        "lines": counts,
        "bullet_lines": fraction([sum(line.startswith(BULLETS) for line in held) for held in lines]),
        "ellipsis_lines": fraction([sum(line.endswith(ELLIPSES) for line in held) for held in lines]),
        "punctuated_lines": fraction([sum(line.endswith(TERMINAL) for line in held) for held in lines]),
        "code_lines": fraction([sum(line.endswith(CODE) for line in held) for held in lines]),
        "short_lines": fraction([sum(len(line) <= SHORT for line in held) for held in lines]),
        "newline_ratio": share(np.array([text.count("\n") for text in batch.texts], np.int64), batch.words.counts),
    }
