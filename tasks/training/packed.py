"""A tokenised corpus on disk: ids that are memory-mapped, and rows that pack windows of documents without mixing them.

Files of the folder:
    ids.npy          (tokens,) uint16 or uint32: all documents one after another, without special tokens
    offsets.npy      (N + 1,) int64: document i is ids[offsets[i]:offsets[i + 1]]
    documents.npy    (N, 16) uint8: the documents' ids, ascending
    sources.npy      (N,) int32: index into `packed.json`'s sources
    heldout.npy      (N,) bool
    copies.npy       (N,) int32: how often an epoch reads the document; 1 for held-out ones
    windows.npy      (W, 3) int64: start in ids, length, row; rows ascending. A window is [CLS] … [SEP] in its row;
                     there are as many of a document's windows as it has copies
    rows.npy         (R, 2) int32: source, and 1 for a row of held-out documents. A row holds one source and one split
    packed.json      sources, max_seq_length, vocab_size, ids of special tokens
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RECORD = "packed.json"
ARRAYS = ("ids", "offsets", "documents", "sources", "heldout", "copies", "windows", "rows")


@dataclass(frozen=True)
class Facts:
    sources: tuple[str, ...]
    max_seq_length: int
    vocab_size: int
    pad_token_id: int
    cls_token_id: int
    sep_token_id: int
    mask_token_id: int
    special_token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Packed:
    """The arrays of the module's docstring."""

    facts: Facts
    ids: NDArray[np.integer]
    offsets: NDArray[np.int64]
    documents: NDArray[np.uint8]
    sources: NDArray[np.int32]
    heldout: NDArray[np.bool_]
    copies: NDArray[np.int32]
    windows: NDArray[np.int64]
    rows: NDArray[np.int32]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) tokens of each document, special ones not counted."""
        return np.diff(self.offsets)

    @cached_property
    def _row_starts(self) -> NDArray[np.int64]:
        return np.searchsorted(self.windows[:, 2], np.arange(len(self.rows) + 1))

    @cached_property
    def row_tokens(self) -> NDArray[np.int64]:
        """(R,) tokens of each row, [CLS] and [SEP] counted, padding not."""
        return np.bincount(self.windows[:, 2], weights=self.windows[:, 1] + 2, minlength=len(self.rows)).astype(
            np.int64
        )

    def window(self, document: int, begin: int, length: int) -> Tensor:
        """[CLS], `length` tokens of a document from its token `begin`, [SEP]; int64."""
        start = int(self.offsets[document]) + begin
        return self._framed(start, length)

    def batch(self, rows: NDArray[np.integer]) -> dict[str, Tensor]:
        """Rows as tensors, all (B, T) int64, T being `max_seq_length`.

        `input_ids`, padded; `segment_ids`, 1, 2, … by window and 0 for padding; `position_ids`, from 0 in each window.
        """
        shape = (len(rows), self.facts.max_seq_length)
        ids = torch.full(shape, self.facts.pad_token_id)
        segments, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        for index, row in enumerate(rows):
            at = 0
            windows = self.windows[self._row_starts[row] : self._row_starts[row + 1]]
            for number, (start, length, _) in enumerate(windows.tolist(), start=1):
                end = at + length + 2
                ids[index, at:end] = self._framed(start, length)
                segments[index, at:end] = number
                positions[index, at:end] = torch.arange(length + 2)
                at = end
        return {"input_ids": ids, "segment_ids": segments, "position_ids": positions}

    def _framed(self, start: int, length: int) -> Tensor:
        framed = np.empty(length + 2, dtype=np.int64)
        framed[0], framed[-1] = self.facts.cls_token_id, self.facts.sep_token_id
        framed[1:-1] = self.ids[start : start + length]
        return torch.from_numpy(framed)


def save_packed(packed: Packed, folder: Path) -> None:
    """Write all but `ids.npy`, which is written as it comes."""
    for name in ARRAYS:
        if name != "ids":
            np.save(folder / f"{name}.npy", getattr(packed, name))
    (folder / RECORD).write_text(json.dumps(asdict(packed.facts), indent=1, ensure_ascii=False) + "\n", "utf-8")


def load_packed(folder: Path) -> Packed:
    """Open a packed corpus; the arrays are memory-mapped."""
    record = json.loads((folder / RECORD).read_text("utf-8"))
    for name in ("sources", "special_token_ids"):
        record[name] = tuple(record[name])
    facts = Facts(**record)
    return Packed(facts, *(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS))
