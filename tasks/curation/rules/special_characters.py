"""Share of characters that are no letter, digit or white space: ROOTS (Laurençon et al. 2022, section 3.1)."""

from __future__ import annotations

from pipeline_config.rules import SpecialCharactersRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: SpecialCharactersRule) -> Verdict:
    return outside(measured["special_characters"], "special characters", maximum=rule.maximum)
