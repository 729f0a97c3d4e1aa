"""Share of short lines: FineWeb (Penedo et al. 2024, section 3.5)."""

from __future__ import annotations

from pipeline_config.rules import ShortLinesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: ShortLinesRule) -> Verdict:
    return outside(measured["short_lines"], "short lines", maximum=rule.maximum)
