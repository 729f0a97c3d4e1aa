"""Line feeds per word: FineWeb (Penedo et al. 2024, section 3.5)."""

from __future__ import annotations

from pipeline_config.rules import NewlinesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: NewlinesRule) -> Verdict:
    return outside(measured["newline_ratio"], "line feeds per word", maximum=rule.maximum)
