"""The value ladder: which steps there are, what each is held against, and the table that a person reads.

Pure: plain Python over plain figures.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.runtime.units import SCORES, signed

WIDTH = 100


@dataclass(frozen=True)
class Rung:
    """A step of the ladder. `over`: what its gain is stated against, the first of these that was judged."""

    name: str
    title: str
    over: tuple[str, ...] = ()
    node: str = ""
    """The node whose model this is; empty for the baselines."""
    cost: str = ""
    """The node whose work this step adds; empty where it adds none of its own."""
    variant: str = ""
    """Its name in the registry, where it is registered."""
    parent: str = ""
    """The rung that the model was made from, where it has to keep what that one could."""


def rungs(compressed: tuple[str, ...]) -> tuple[Rung, ...]:
    """All steps, in the order in which they are shown; `compressed`: the variants made from the student."""
    return (
        Rung("majority", "majority"),
        Rung("tfidf", "TF-IDF + linear", ("majority",)),
        Rung("base-frozen", "base, frozen", ("tfidf",), "finetune.frozen", "finetune.frozen"),
        Rung("compact-frozen", "compact, frozen", ("base-frozen", "tfidf"), "finetune.compact"),
        Rung(
            "adapted-frozen",
            "adapted to your text, frozen",
            ("compact-frozen", "base-frozen", "tfidf"),
            "finetune.adapted",
            "pretrain",
        ),
        Rung("compact", "compact, fine-tuned", ("compact-frozen", "tfidf"), "finetune.compact", "finetune.compact"),
        Rung(
            "adapted",
            "adapted, fine-tuned",
            ("compact", "adapted-frozen", "base", "tfidf"),
            "finetune.adapted",
            "finetune.adapted",
        ),
        Rung("base", "base, fine-tuned", ("base-frozen", "tfidf"), "finetune.base", "finetune.base", "teacher"),
        Rung("student", "student", ("adapted", "compact", "base", "tfidf"), "distill", "distill", "student", "base"),
        *(
            Rung(name, f"student {name}", ("student", "tfidf"), "compress", "compress", name, "student")
            for name in compressed
        ),
    )


def ladder_table(
    metrics: Mapping[str, Any], measured: Mapping[str, float], cpu_seconds: Mapping[str, float], *, judged: int
) -> list[str]:
    """The ladder as lines of at most 100 columns.

    Args:
        metrics: of the evaluation.
        measured: its clock figures (`latency_ms.<rung>`, …); may be empty.
        cpu_seconds: by node; a node that is not there shows no cost.
        judged: how often this test set has judged, this time included.
    """
    main, other = metrics["metric"], "accuracy" if metrics["metric"] == "macro_f1" else "macro_f1"
    numbers = {row["rung"]: number for number, row in enumerate(metrics["rungs"], start=1)}
    lines = [_line("", "step", SCORES[main], SCORES[other], "gain over step", "CPU", "size", "latency")]
    for row in metrics["rungs"]:
        seconds = cpu_seconds.get(row["cost"], measured.get(f"cpu_seconds.{row['rung']}"))
        latency = measured.get(f"latency_ms.{row['rung']}")
        lines.append(
            _line(
                str(numbers[row["rung"]]),
                row["title"],
                _score(row[main]),
                f"{row[other]['value']:.2f}",
                _gain(row["gain"], numbers),
                "" if seconds is None else _duration(seconds),
                "" if row["size_bytes"] is None else _size(row["size_bytes"]),
                "" if latency is None else f"{latency:.1f} ms" if latency < 1000 else f"{latency / 1000:.1f} s",
            )
        )
    notes = _notes(metrics, measured, judged)
    return lines + [
        line for note in notes for line in textwrap.wrap(note, WIDTH, initial_indent=" ", subsequent_indent="   ")
    ]


def _line(number: str, title: str, score: str, other: str, gain: str, cpu: str, size: str, latency: str) -> str:
    line = f"{number:>2} {title:<28} {score:>10} {other:>8} {gain:>23} {cpu:>7} {size:>6} {latency:>8}"
    return line.rstrip()


def _score(score: Mapping[str, float]) -> str:
    half = (score["high"] - score["low"]) / 2
    return f"{score['value']:.2f} ±{half:.2f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 1000 else f"{seconds / 60:.0f} min"


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count < 999_500_000 else f"{count / 1e9:.1f} GB"


def _gain(gain: Mapping[str, Any] | None, numbers: Mapping[str, int]) -> str:
    if gain is None:
        return ""
    return f"{signed(gain['value'])} [{signed(gain['low'])},{signed(gain['high'])}] {numbers[gain['against']]:>2}"


def _notes(metrics: Mapping[str, Any], measured: Mapping[str, float], judged: int) -> list[str]:
    seeds = {row["title"]: row["seeds"] for row in metrics["rungs"]}
    several = [f"{title} ({count})" for title, count in seeds.items() if count > 1]
    noise = "one seed, so seed noise is not in them"
    if several:
        noise = "seed noise is in some"
    share = 100 * metrics["confidence"]
    notes = [f"intervals: {share:g} %, bootstrap over {metrics['test_groups']} groups of the test set; {noise}"]
    if several:
        notes.append("seed noise is in the intervals of several seeds alone: " + ", ".join(several))
    times = "for the first time" if judged == 1 else f"{judged} times now; what is chosen by it reads too well"
    notes.append(f"this test set has judged {times}")
    notes += _forgetting(metrics["forgetting"])
    speed = {name.removeprefix("speedup."): value for name, value in measured.items() if name.startswith("speedup.")}
    if len(speed) > 1:
        first, *rest = speed
        ratios = ", ".join(f"{name} {speed[name]:.1f}×" for name in rest)
        notes.append(f"one text on one thread, against {first}: {ratios}")
    return notes


def _forgetting(forgetting: Mapping[str, Any] | None) -> list[str]:
    if forgetting is None:
        return []
    if "skipped" in forgetting:
        return [f"forgetting: not measured, {forgetting['skipped']}"]
    before, after, difference = (forgetting[name] for name in ("before", "after", "difference"))
    bounds = f"[{signed(difference['low'])},{signed(difference['high'])}]"
    change = f"{signed(difference['value'])} {bounds}"
    return [
        f"forgetting: loss on general text {before['value']:.2f} → {after['value']:.2f} ({change}) nats per token",
        f"guessing by frequency: {forgetting['frequencies']:.2f} nats per token of it",
    ]
