"""The gates of a promotion: a pure function of measured figures. A number that is missing fails its gate.

Gains are paired differences of the score over the same test documents, with a bootstrap interval. A gate that asks
for a gain looks at the lower end of the interval; a gate that allows a margin looks at the difference itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_config.promotion import PromotionConfig
from tasks.runtime.units import SCORES

WIDTH = 100


@dataclass(frozen=True)
class Interval:
    """A paired difference of scores and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Champion:
    """The model in use, as far as a candidate must measure itself against it."""

    version: int
    test_digest: str
    difference: Interval | None
    """Candidate minus champion; None where it could not be measured."""


@dataclass(frozen=True)
class Figures:
    """What was measured of a candidate on the test set `test_digest`. None = not measured."""

    variant: str
    test_digest: str
    above_majority: Interval | None
    above_tfidf: Interval | None
    parent: str
    """The rung that the candidate was made from; empty if it has none."""
    against_parent: Interval | None
    agreement: float | None
    """Share of test documents on which candidate and parent give the same label, 0 to 1."""
    champion: Champion | None
    """None = nothing is in use yet."""


@dataclass(frozen=True)
class GateResult:
    name: str
    needs: str
    has: str
    passed: bool
    note: str = ""
    """Why it was refused, or why it passed without a comparison."""
    measured: Interval | None = None
    """What `has` says, as numbers; of a share, all three the same."""
    least: float = 0.0
    """What `needs` says, as a number."""


@dataclass(frozen=True)
class Verdict:
    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def refused(self) -> tuple[GateResult, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)


def judge(figures: Figures, config: PromotionConfig) -> Verdict:
    """Every gate that applies to the candidate's variant, in the order in which they are shown."""
    metric = SCORES[config.metric]
    gates = [
        _gain("above majority", figures.above_majority, f"gains nothing certain over the majority class in {metric}"),
        _gain("above TF-IDF", figures.above_tfidf, f"gains nothing certain over TF-IDF in {metric}"),
    ]
    if figures.variant not in ("teacher", "student"):
        gates.append(_agreement(figures, config.min_agreement))
    if figures.variant != "teacher":
        gates.append(_margin("keeps its parent", figures.against_parent, config.parent_margin, metric, figures.parent))
    gates.append(_champion(figures, config.champion_margin, metric))
    return Verdict(tuple(gates))


def _gain(name: str, gain: Interval | None, why: str) -> GateResult:
    needs = "interval > 0"
    if gain is None:
        return _missing(name, needs)
    passed = gain.low > 0
    return GateResult(name, needs, _signed(gain), passed, "" if passed else why, gain)


def _margin(name: str, difference: Interval | None, margin: float, metric: str, than: str) -> GateResult:
    needs = f"≥ −{margin:g}" if margin else "≥ 0"
    if difference is None:
        return _missing(name, needs)
    passed = difference.value >= -margin
    why = "" if passed else f"loses {-difference.value:.3f} {metric} against {than or 'its parent'}"
    return GateResult(name, needs, _signed(difference), passed, why, difference, -margin)


def _agreement(figures: Figures, least: float) -> GateResult:
    name, needs, agreement = f"{figures.variant} agrees".strip(), f"≥ {100 * least:g} %", figures.agreement
    if agreement is None:
        return _missing(name, needs)
    passed = agreement >= least
    why = "" if passed else f"gives another label than {figures.parent or 'its parent'} too often"
    share = Interval(agreement, agreement, agreement)
    return GateResult(name, needs, f"{100 * agreement:.2f} %", passed, why, share, least)


def _champion(figures: Figures, margin: float, metric: str) -> GateResult:
    name, champion = "holds against champion", figures.champion
    if champion is None:
        return GateResult(name, f"≥ −{margin:g}", "no champion", True, "no champion yet")
    if champion.test_digest != figures.test_digest:
        why = (
            f"was judged on another test set than champion version {champion.version}; "
            "run the road with the champion's labelled data, or override"
        )
        return GateResult(name, f"≥ −{margin:g}", "another test set", False, why)
    return _margin(name, champion.difference, margin, metric, f"champion version {champion.version}")


def _missing(name: str, needs: str) -> GateResult:
    return GateResult(name, needs, "missing", False, f"has no figure for “{name}”; run evaluate again")


def _signed(interval: Interval) -> str:
    return f"{_sign(interval.value)} [{_sign(interval.low)}, {_sign(interval.high)}]"


def _sign(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def table(verdict: Verdict) -> str:
    """The gates as lines of at most 100 columns."""
    rows = [("gate", "needs", "has", "verdict")]
    rows += [(g.name, g.needs, g.has, "pass" if g.passed else "refused") for g in verdict.gates]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(_row(row, widths) for row in rows)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
    return (" " + "   ".join([*cells, row[3]])).rstrip()[:WIDTH]
