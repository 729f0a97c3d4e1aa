"""Accounts balance, or a defect is named."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.account import Account, book

booking = st.tuples(st.sampled_from(["kept", "dropped", "quarantined"]), st.integers(0, 99), st.integers(0, 99))


@given(st.lists(booking))
def test_whatever_is_booked_balances(bookings: list[tuple]) -> None:
    tally = Counter[str]()
    for outcome, size, text in bookings:
        book(tally, outcome, size, text if outcome == "kept" else None)
    account = Account(**tally).check()
    assert account.bytes_in == sum(size for _, size, _ in bookings)
    assert account.bytes_kept == sum(text for outcome, _, text in bookings if outcome == "kept")
    assert (account + account).check().documents_in == 2 * len(bookings)


@pytest.mark.parametrize(
    "wrong",
    [
        Account(documents_in=2, documents_kept=1),
        Account(bytes_in=10, bytes_kept=10, bytes_cut=1),
        Account(bytes_in=10, bytes_kept=10, bytes_inserted=1),
        Account(bytes_in=0, bytes_kept=1, bytes_dropped=-1),
    ],
)
def test_what_does_not_balance_is_a_defect(wrong: Account) -> None:
    with pytest.raises(AssertionError):
        wrong.check()


def test_bytes_in_are_kept_dropped_quarantined_and_cut_less_inserted() -> None:
    Account(bytes_in=100, bytes_kept=60, bytes_dropped=20, bytes_quarantined=10, bytes_cut=15, bytes_inserted=5).check()
