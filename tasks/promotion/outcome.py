"""How a promotion ended, for programs and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.promotion.gates import Verdict


@dataclass(frozen=True)
class Registered:
    name: str
    version: int
    variant: str
    digest: str
    node: str
    new: bool
    """False if an equal version was there already."""


@dataclass(frozen=True)
class Promotion:
    """How a promotion ended."""

    model: str
    candidate: int
    variant: str
    verdict: Verdict | None
    """None if the candidate was champion already."""
    promoted: bool
    champion: int | None
    """The version in use now."""
    former: int | None
    """The version in use before."""
    overridden: str = ""
    """The reason that was given for promoting against the verdict."""
    versions: tuple[Registered, ...] = ()
    withdrawn: bool = False
    """A person rolled the candidate back: it is not promoted by itself again."""
    rejected: bool = False
    """A person who was asked rejected the candidate."""
    manual: bool = False
    """A person decides (`promotion.manual`)."""

    @property
    def refused(self) -> bool:
        return self.verdict is not None and not self.verdict.passed and not self.promoted

    @property
    def waits(self) -> bool:
        """The gates passed, and a person is to decide."""
        passed = self.verdict is not None and self.verdict.passed
        return self.manual and passed and not (self.promoted or self.withdrawn or self.rejected)

    def as_json(self) -> dict[str, Any]:
        gates = [asdict(gate) for gate in self.verdict.gates] if self.verdict else []
        return {
            "model": self.model,
            "version": self.candidate,
            "variant": self.variant,
            "promoted": self.promoted,
            "passed": self.verdict.passed if self.verdict else None,
            "champion": self.champion,
            "former": self.former,
            "overridden": self.overridden,
            "withdrawn": self.withdrawn,
            "rejected": self.rejected,
            "waits": self.waits,
            "gates": gates,
        }

    def sentence(self, where: str = "") -> str:
        """What happened, and what to do about it; `where` is added to commands (` --workspace DIR`)."""
        command = f"textmill promote {self.model} {self.candidate}{where}"
        which = f"{self.model} version {self.candidate}"
        if self.promoted:
            before = f" Before it: version {self.former}." if self.former else ""
            if self.overridden:
                return f"promoted against its gates: {which} ({self.variant}) is champion.{before}"
            count = len(self.verdict.gates) if self.verdict else 0
            return f"promoted: {which} ({self.variant}) is champion. All {count} gates passed.{before}"
        if self.verdict is None:
            return f"{which} ({self.variant}) is champion already. Nothing was changed."
        now = f"Champion is still version {self.champion}." if self.champion else "There is no champion."
        if not self.refused:
            why = "promotion.manual is on" if self.manual else "promotion.auto is off"
            if self.withdrawn:
                why = "it was rolled back, so it is not promoted by itself again"
            elif self.rejected:
                why = "it was rejected, so it is not asked about again"
            return f"{which} ({self.variant}) is challenger; all gates passed. {now}\n  {why}: {command}"
        assert self.verdict is not None
        why = "; ".join(gate.note for gate in self.verdict.refused)
        if self.champion == self.candidate:
            return (
                f"version {self.candidate} was set as champion by hand, and its gates refuse it: it {why}.\n"
                f'  It is still in use. To accept it: {command} --override "why"'
            )
        return (
            f"version {self.candidate} is not promoted: it {why}.\n"
            f'  {now} To promote all the same: {command} --override "why"'
        )
