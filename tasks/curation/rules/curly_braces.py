"""Curly braces: C4 (Raffel et al. 2020, section 2.2)."""

from __future__ import annotations

from pipeline_config.rules import CurlyBracesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: CurlyBracesRule) -> Verdict:
    return outside(measured["curly_braces"], "curly braces", maximum=rule.maximum)
