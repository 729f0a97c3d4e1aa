"""In how many documents each line stands: the fitted state of the edit `repeated_lines`, apart from applying it.

Keys of 64 bits are gathered in runs of bounded size, each sorted, counted and spilt; then range after range of keys is
merged from all runs. So memory does not grow with the corpus, and the counts do not depend on the order of documents.
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
"""Keys held in memory before they are spilt: 64 MiB, and about three times as much while they are sorted."""

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),  # of the edit in the config
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Frequencies:
    """The frequent keys alone."""

    keys: np.ndarray
    """(N,) uint64, ascending."""
    counts: np.ndarray
    """(N,) int64: documents that hold the key."""

    def documents(self, key: int) -> int:
        """In how many documents the key stands; 0 if in fewer than were asked for when this was fitted."""
        at = int(np.searchsorted(self.keys, np.uint64(key)))
        return int(self.counts[at]) if at < len(self.keys) and self.keys[at] == key else 0


def fit(documents: Iterable[set[int]], min_documents: int, spill: Path, run_keys: int = RUN_KEYS) -> Frequencies:
    """Count the keys of documents (each document's are different); keep those of at least `min_documents`.

    `spill` is an empty folder for the runs.
    """
    runs = [_saved(spill / str(number), held) for number, held in enumerate(_gathered(documents, run_keys))]
    keys, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for found, count in _merged(runs):
        frequent = count >= min_documents
        keys.append(found[frequent])
        counts.append(count[frequent])
    return Frequencies(np.concatenate(keys), np.concatenate(counts))


def write(path: Path, fitted: dict[int, Frequencies]) -> None:
    """Write what was fitted for the edits at some positions."""
    tables = [SCHEMA.empty_table()]
    for position, found in sorted(fitted.items()):
        at = np.full(len(found.keys), position, np.int32)
        tables.append(pa.table([at, found.keys, found.counts], schema=SCHEMA))
    pq.write_table(pa.concat_tables(tables), path, compression="zstd")


def read(path: Path) -> dict[int, Frequencies]:
    """What `write` wrote, by the position of the edit."""
    table = pq.read_table(path, schema=SCHEMA)
    at, keys, counts = (table[name].to_numpy() for name in SCHEMA.names)
    return {int(position): Frequencies(keys[at == position], counts[at == position]) for position in np.unique(at)}


def _gathered(documents: Iterable[set[int]], run_keys: int) -> Iterator[np.ndarray]:
    held = array("Q")
    for keys in documents:
        held.extend(keys)
        if len(held) >= run_keys:
            yield np.frombuffer(held, np.uint64)
            held = array("Q")
    yield np.array(held, np.uint64)


def _saved(path: Path, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different keys of a run, ascending, and their counts: on disk, mapped."""
    found = []
    for name, values in zip(("keys", "counts"), np.unique(keys, return_counts=True), strict=True):
        file = path.with_suffix(f".{name}.npy")
        np.save(file, values)
        found.append(np.load(file, mmap_mode="r"))
    return found[0], found[1]


def _merged(runs: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Keys and their counts over all runs, as many ranges of keys as there are runs."""
    edges = [((1 << 64) * number) // len(runs) for number in range(1, len(runs))]
    cuts = [[0, *np.searchsorted(keys, np.array(edges, np.uint64)), len(keys)] for keys, _ in runs]
    for part in range(len(runs)):
        slices = [slice(cut[part], cut[part + 1]) for cut in cuts]
        keys = np.concatenate([run[0][inside] for run, inside in zip(runs, slices, strict=True)])
        counts = np.concatenate([run[1][inside] for run, inside in zip(runs, slices, strict=True)])
        found, place = np.unique(keys, return_inverse=True)
        yield found, np.bincount(place, weights=counts, minlength=len(found)).astype(np.int64)
