"""In how many documents each line stands, and in which first: the fitted state of the edit `repeated_lines`.

Keys of 64 bits are gathered in runs of bounded size, each sorted, counted and spilt; then range after range of keys is
merged from all runs. So memory does not grow with the corpus. What is found does not depend on the order of documents:
the first of them is that with the lowest hash.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RUN_KEYS = 8 << 20
"""Keys held in memory before they are spilt: 128 MiB with the hashes of their documents, and about three times as much
while they are sorted."""

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),  # of the edit in the config
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("first", pa.uint64(), nullable=False),
    ]
)


Run = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Different keys, ascending; in how many documents each stands; the lowest of their hashes."""


@dataclass(frozen=True)
class Frequencies:
    """The frequent keys alone."""

    keys: np.ndarray
    """(N,) uint64, ascending."""
    counts: np.ndarray
    """(N,) int64: documents that hold the key."""

    firsts: np.ndarray
    """(N,) uint64: the lowest hash of a document that holds the key."""

    def place(self, key: int) -> int | None:
        """Where the key stands; None if in fewer documents than were asked for when this was fitted."""
        at = int(np.searchsorted(self.keys, np.uint64(key)))
        return at if at < len(self.keys) and self.keys[at] == key else None


def fit(
    documents: Iterable[tuple[int, set[int]]], min_documents: int, spill: Path, run_keys: int = RUN_KEYS
) -> Frequencies:
    """Count the keys of documents (hash, keys); keep those of at least `min_documents`.

    `spill` is an empty folder for the runs.
    """
    runs = [_saved(spill / str(number), *held) for number, held in enumerate(_gathered(documents, run_keys))]
    parts: list[Run] = [(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint64))]
    for keys, counts, firsts in _merged(runs):
        frequent = counts >= min_documents
        parts.append((keys[frequent], counts[frequent], firsts[frequent]))
    return Frequencies(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def write(path: Path, fitted: dict[int, Frequencies]) -> None:
    """Write what was fitted for the edits at some positions."""
    tables = [SCHEMA.empty_table()]
    for position, found in sorted(fitted.items()):
        at = np.full(len(found.keys), position, np.int32)
        tables.append(pa.table([at, found.keys, found.counts, found.firsts], schema=SCHEMA))
    pq.write_table(pa.concat_tables(tables), path, compression="zstd")


def read(path: Path) -> dict[int, Frequencies]:
    """What `write` wrote, by the position of the edit."""
    table = pq.read_table(path, schema=SCHEMA)
    at, *columns = (table[name].to_numpy() for name in SCHEMA.names)
    return {int(position): Frequencies(*(column[at == position] for column in columns)) for position in np.unique(at)}


def _gathered(documents: Iterable[tuple[int, set[int]]], run_keys: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Keys and the hashes of their documents, so many at a time."""
    held, hashes = array("Q"), array("Q")
    for text, keys in documents:
        held.extend(keys)
        hashes.extend([text] * len(keys))
        if len(held) >= run_keys:
            yield np.frombuffer(held, np.uint64), np.frombuffer(hashes, np.uint64)
            held, hashes = array("Q"), array("Q")
    yield np.array(held, np.uint64), np.array(hashes, np.uint64)


def _saved(path: Path, keys: np.ndarray, hashes: np.ndarray) -> Run:
    """The different keys of a run, ascending, their counts and lowest hashes: on disk, mapped."""
    order = np.lexsort((hashes, keys))
    found, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    columns = []
    for name, values in (("keys", found), ("counts", counts), ("firsts", hashes[order][starts])):
        file = path.with_suffix(f".{name}.npy")
        np.save(file, values)
        columns.append(np.load(file, mmap_mode="r"))
    return columns[0], columns[1], columns[2]


def _merged(runs: list[Run]) -> Iterator[Run]:
    """Keys, their counts and lowest hashes over all runs, as many ranges of keys as there are runs."""
    edges = [((1 << 64) * number) // len(runs) for number in range(1, len(runs))]
    cuts = [[0, *np.searchsorted(keys, np.array(edges, np.uint64)), len(keys)] for keys, _, _ in runs]
    for part in range(len(runs)):
        slices = [slice(cut[part], cut[part + 1]) for cut in cuts]
        keys, counts, firsts = (
            np.concatenate([run[column][inside] for run, inside in zip(runs, slices, strict=True)])
            for column in range(3)
        )
        found, place = np.unique(keys, return_inverse=True)
        first = np.full(len(found), np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(first, place, firsts)
        yield found, np.bincount(place, weights=counts, minlength=len(found)).astype(np.int64), first
