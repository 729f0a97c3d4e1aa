"""Verdicts on figures made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline_config.promotion import PromotionConfig
from tasks.promotion.gates import Champion, Figures, GateResult, Interval, Verdict, judge, table

CONFIG = PromotionConfig(min_agreement=0.98, parent_margin=0.01, champion_margin=0.02)
GOOD = Figures(
    variant="int8",
    test_digest="t1",
    above_majority=Interval(0.7, 0.6, 0.8),
    above_tfidf=Interval(0.09, 0.03, 0.15),
    parent="student",
    against_parent=Interval(-0.01, -0.02, 0.005),
    agreement=0.98,
    champion=None,
)


def refused(figures: Figures) -> list[str]:
    return [gate.name for gate in judge(figures, CONFIG).refused]


def test_good_figures_pass_every_gate() -> None:
    verdict = judge(GOOD, CONFIG)
    assert verdict.passed
    assert [gate.name for gate in verdict.gates] == [
        "above majority",
        "above TF-IDF",
        "int8 agrees",
        "keeps its parent",
        "holds against champion",
    ]
    assert verdict.gates[-1].has == "no champion"


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"above_majority": Interval(0.1, 0.0, 0.2)}, "above majority"),
        ({"above_tfidf": Interval(0.09, -0.001, 0.15)}, "above TF-IDF"),
        ({"agreement": 0.9799}, "int8 agrees"),
        ({"against_parent": Interval(-0.0101, -0.02, 0.0)}, "keeps its parent"),
        ({"champion": Champion(3, "t1", Interval(-0.021, -0.05, 0.01))}, "holds against champion"),
        ({"champion": Champion(3, "t2", Interval(0.5, 0.4, 0.6))}, "holds against champion"),
        ({"champion": Champion(3, "t1", None)}, "holds against champion"),
        ({"above_majority": None}, "above majority"),
        ({"above_tfidf": None}, "above TF-IDF"),
        ({"agreement": None}, "int8 agrees"),
        ({"against_parent": None}, "keeps its parent"),
    ],
)
def test_one_bad_or_missing_figure_refuses_through_its_gate_alone(change: dict[str, Any], gate: str) -> None:
    assert refused(replace(GOOD, **change)) == [gate]


@pytest.mark.parametrize(
    ("variant", "gates"),
    [
        ("teacher", ["above majority", "above TF-IDF", "holds against champion"]),
        ("student", ["above majority", "above TF-IDF", "keeps its parent", "holds against champion"]),
    ],
)
def test_gates_by_variant(variant: str, gates: list[str]) -> None:
    assert [gate.name for gate in judge(replace(GOOD, variant=variant), CONFIG).gates] == gates


def test_nothing_known_passes_nothing() -> None:
    unknown = Figures("", "", None, None, "", None, None, Champion(1, "t1", None))
    assert not any(gate.passed for gate in judge(unknown, CONFIG).gates)


def test_the_table_is_what_a_person_reads() -> None:
    shown = table(judge(replace(GOOD, against_parent=Interval(-0.04, -0.06, -0.02)), CONFIG))
    assert shown.splitlines() == [
        " gate                     needs          has                       verdict",
        " above majority           interval > 0   +0.700 [+0.600, +0.800]   pass",
        " above TF-IDF             interval > 0   +0.090 [+0.030, +0.150]   pass",
        " int8 agrees              ≥ 98 %         98.00 %                   pass",
        " keeps its parent         ≥ −0.01        −0.040 [−0.060, −0.020]   refused",
        " holds against champion   ≥ −0.02        no champion               pass",
    ]
    long = Verdict((GateResult("g" * 60, "n" * 60, "h", True),))
    assert max(len(line) for line in table(long).splitlines()) <= 100
