"""Promotions and rollbacks in any order, against a plain stack of what was in use."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tasks.promotion.journal import Journal
from tasks.promotion.ledger import Aliases, Entry, promoted, recorded, undoable
from tasks.runtime.registry import Registry
from tasks.runtime.workspace import Workspace

VERSIONS = st.integers(min_value=1, max_value=5)


class Promotions(RuleBasedStateMachine):
    """Two models share a ledger; `stack` is what a person would keep on paper for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.now = Aliases()
        self.stack: list[Aliases] = []

    def write(self, action: str, after: Aliases, model: str = "m") -> None:
        entry = Entry.model_validate(
            {
                "id": str(len(self.entries)),
                "when": "",
                "who": "",
                "model": model,
                "action": action,
                "from": self.now,
                "to": after,
                "verdict": "passed",
            }
        )
        self.entries.append(Entry.model_validate_json(entry.model_dump_json(by_alias=True)))

    @rule(version=VERSIONS)
    def promote(self, version: int) -> None:
        if version != self.now.champion:
            self.stack.append(self.now)
            self.write("promote", promoted(self.now, version))
            self.now = Aliases(champion=version, previous=self.now.champion)

    @precondition(lambda self: self.stack)
    @rule()
    def rollback(self) -> None:
        last = undoable(self.entries, "m")
        assert last is not None
        assert last.before == self.stack[-1]
        self.write("rollback", last.before)
        self.now = self.stack.pop()

    @rule(champion=st.none() | VERSIONS)
    def moved_by_hand(self, champion: int | None) -> None:
        after = Aliases(champion=champion, previous=self.now.previous)
        self.write("external", after)
        self.now = after

    @rule(version=VERSIONS)
    def another_model(self, version: int) -> None:
        self.write("promote", Aliases(champion=version), model="other")

    @invariant()
    def the_ledger_knows_what_is_in_use_and_what_can_be_undone(self) -> None:
        assert recorded(self.entries, "m") == self.now
        assert (undoable(self.entries, "m") is None) == (not self.stack)


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(max_examples=60, deadline=None)


def test_a_user_without_a_name_is_recorded_by_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    entry = Journal(Registry(Workspace(tmp_path)), "m").entry("promote", Aliases(), Aliases(champion=1), None, "")
    assert entry.who == f"uid {os.getuid()}"
