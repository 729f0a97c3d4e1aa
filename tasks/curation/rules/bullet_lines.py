"""Share of lines that begin with a bullet: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import BulletLinesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: BulletLinesRule) -> Verdict:
    return outside(measured["bullet_lines"], "bullet lines", maximum=rule.maximum)
