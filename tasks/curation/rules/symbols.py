"""Hash signs and ellipses per word: Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from pipeline_config.rules import SymbolsRule
from tasks.curation.rules.verdict import Measured, Verdict, first, outside


def judge(measured: Measured, rule: SymbolsRule) -> Verdict:
    return first(
        [
            outside(measured["hash_ratio"], "# per word", maximum=rule.maximum_hashes),
            outside(measured["ellipsis_ratio"], "ellipses per word", maximum=rule.maximum_ellipses),
        ]
    )
