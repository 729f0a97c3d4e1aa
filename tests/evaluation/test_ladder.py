"""The table that a person reads, written out by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tasks.evaluation.ladder import WIDTH, ladder_table, rungs


def row(name: str, title: str, f1: float, gain: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    def around(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05}

    plain = {"node": "", "cost": "", "variant": "", "parent": "", "seeds": 1, "size_bytes": None}
    return {
        "rung": name,
        "title": title,
        "macro_f1": around(f1),
        "accuracy": around(f1 + 0.1),
        "gain": gain,
        **plain,
        **more,
    }


@pytest.fixture
def metrics() -> dict[str, Any]:
    gain = {"value": 0.06, "low": -0.01, "high": 0.13, "against": "tfidf"}
    return {
        "metric": "macro_f1",
        "confidence": 0.95,
        "test_groups": 361,
        "forgetting": None,
        "rungs": [
            row("majority", "majority", 0.02),
            row("tfidf", "TF-IDF + linear", 0.63),
            row("base-frozen", "base, frozen", 0.7, gain, cost="finetune.frozen", size_bytes=90_900_000),
        ],
    }


def test_the_table_is_as_written_here(metrics: dict[str, Any]) -> None:
    measured = {"latency_ms.base-frozen": 39.04, "cpu_seconds.tfidf": 1.4}
    assert ladder_table(metrics, measured, {"finetune.frozen": 9.2}, judged=1) == [
        "   step                           macro-F1 accuracy          gain over step     CPU   size  latency",
        " 1 majority                     0.02 ±0.05     0.12",
        " 2 TF-IDF + linear              0.63 ±0.05     0.73                             1 s",
        " 3 base, frozen                 0.70 ±0.05     0.80  +0.06 [−0.01,+0.13]  2     9 s  91 MB  39.0 ms",
        " intervals: 95 %, bootstrap over 361 groups of the test set; one seed, so seed noise is not in them",
        " this test set has judged for the first time",
    ]


def test_seeds_forgetting_and_ratios_are_told(metrics: dict[str, Any]) -> None:
    metrics["rungs"][2]["seeds"] = 3
    scores = {"before": {"value": 5.3}, "after": {"value": 5.42}, "frequencies": 7.12}
    metrics["forgetting"] = {**scores, "difference": {"value": 0.12, "low": 0.1, "high": 0.14}}
    notes = ladder_table(metrics, {"speedup.base": 1.0, "speedup.int8": 2.94}, {}, judged=7)[4:]
    assert notes == [
        " intervals: 95 %, bootstrap over 361 groups of the test set; seed noise is in some",
        " seed noise is in the intervals of several seeds alone: base, frozen (3)",
        " this test set has judged 7 times now; what is chosen by it reads too well",
        " forgetting: loss on general text 5.30 → 5.42 (+0.12 [+0.10,+0.14]) nats per token",
        " guessing by frequency: 7.12 nats per token of it",
        " one text on one thread, against base: int8 2.9×",
    ]
    metrics["forgetting"] = {"skipped": "no encoder was adapted"}
    assert " forgetting: not measured, no encoder was adapted" in ladder_table(metrics, {}, {}, judged=1)


def test_no_line_is_wider_than_the_page(metrics: dict[str, Any]) -> None:
    names = [rung.title for rung in rungs(("int8",))]
    gain = {"value": -0.06, "low": -0.01, "high": 0.13, "against": "r9"}
    metrics["rungs"] = [
        row(f"r{number}", name, 0.7, gain, seeds=3, cost="x", size_bytes=2_000_000_000)
        for number, name in enumerate(names)
    ]
    metrics["forgetting"] = {"skipped": "the tokenizer was replaced, so the losses are not in the same unit"}
    measured = {f"latency_ms.r{number}": 1234.5 for number in range(12)} | {"speedup.base": 1.0, "speedup.int8": 2.94}
    lines = ladder_table(metrics, measured, {"x": 10_000}, judged=100)
    assert max(map(len, lines)) <= WIDTH, max(lines, key=len)


def test_a_gain_is_stated_over_a_step_above_it() -> None:
    steps = rungs(("int8",))
    order = [step.name for step in steps]
    for position, step in enumerate(steps):
        assert set(step.over) <= set(order)
        assert not step.over or any(order.index(other) < position for other in step.over)


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, tasks.evaluation.ladder; sys.exit(any(m in sys.modules for m in ('torch','numpy','pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
