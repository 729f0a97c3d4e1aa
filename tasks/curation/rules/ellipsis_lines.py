"""Share of lines that end with an ellipsis: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import EllipsisLinesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: EllipsisLinesRule) -> Verdict:
    return outside(measured["ellipsis_lines"], "lines ending in an ellipsis", maximum=rule.maximum)
