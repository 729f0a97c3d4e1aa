"""Filler text: C4 (Raffel et al. 2020, section 2.2)."""

from __future__ import annotations

from pipeline_config.rules import LoremIpsumRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: LoremIpsumRule) -> Verdict:  # noqa: ARG001  # every rule takes its config
    return outside(measured["lorem_ipsum"], "lorem ipsum", maximum=0)
