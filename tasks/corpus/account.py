"""Accounts: what went in came out, was put aside for a stated reason, or was cut. Nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Account(BaseModel):
    """Documents and UTF-8 bytes that went through a step; accounts of parts add up (`a + b`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    documents_in: int = 0
    documents_kept: int = 0
    documents_dropped: int = 0
    """By a decision that the ledger explains."""
    documents_quarantined: int = 0
    """Unreadable; each stands in `quarantine.parquet`."""
    bytes_in: int = 0
    bytes_kept: int = 0
    bytes_dropped: int = 0
    bytes_quarantined: int = 0
    bytes_cut: int = 0
    """Taken out of documents that were kept."""
    bytes_inserted: int = 0
    """Added to documents that were kept."""

    def __add__(self, other: Account) -> Account:
        return Account(**{name: getattr(self, name) + getattr(other, name) for name in Account.model_fields})

    def check(self) -> Account:
        """Return the account itself.

        Raises:
            AssertionError: it does not balance, which is a defect of the step that drew it up.
        """
        assert min(self.model_dump().values()) >= 0, f"an account holds a negative figure: {self}"
        documents = self.documents_kept + self.documents_dropped + self.documents_quarantined
        assert self.documents_in == documents, f"{self.documents_in} documents went in, {documents} came out: {self}"
        size = self.bytes_kept + self.bytes_dropped + self.bytes_quarantined + self.bytes_cut - self.bytes_inserted
        assert self.bytes_in == size, f"{self.bytes_in} bytes went in, {size} are accounted for: {self}"
        return self


def book(
    tally: Counter[str], outcome: Literal["kept", "dropped", "quarantined"], size: int, text_bytes: int | None = None
) -> None:
    """Book one document of `size` bytes in a tally that `Account(**tally)` closes.

    A kept document of `text_bytes` has the difference cut from it or inserted into it.
    """
    left = size if text_bytes is None else text_bytes
    tally["documents_in"] += 1
    tally["bytes_in"] += size
    tally[f"documents_{outcome}"] += 1
    tally[f"bytes_{outcome}"] += left
    tally["bytes_cut"] += max(0, size - left)
    tally["bytes_inserted"] += max(0, left - size)
