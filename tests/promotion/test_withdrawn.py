from __future__ import annotations

import pytest

from tasks.promotion.ledger import Aliases, Entry, withdrawn


def entry(action: str, before: int | None, after: int | None, model: str = "m") -> Entry:
    return Entry(
        id=f"{action}{before}{after}",
        when="2026-01-01T00:00:00+00:00",
        who="me",
        model=model,
        action=action,
        before=Aliases(champion=before),
        after=Aliases(champion=after),
        verdict="passed",
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], False),
        ([entry("promote", None, 3)], False),
        ([entry("promote", None, 3), entry("rollback", 3, None)], True),
        ([entry("promote", 3, 5), entry("rollback", 5, 3)], False),
        ([entry("promote", None, 3), entry("rollback", 3, None), entry("promote", None, 3)], False),
        ([entry("promote", None, 3), entry("external", 3, None)], False),
        ([entry("rollback", 3, None, model="other")], False),
    ],
)
def test_a_version_is_withdrawn_until_somebody_promotes_it_again(entries: list[Entry], expected: bool) -> None:
    assert withdrawn(entries, "m", 3) is expected
