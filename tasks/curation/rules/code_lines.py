"""Share of lines that end like code; C4 (Raffel et al. 2020, section 2.2) drops every page with a brace."""

from __future__ import annotations

from pipeline_config.rules import CodeLinesRule
from tasks.curation.rules.verdict import Measured, Verdict, outside


def judge(measured: Measured, rule: CodeLinesRule) -> Verdict:
    return outside(measured["code_lines"], "lines ending like code", maximum=rule.maximum)
