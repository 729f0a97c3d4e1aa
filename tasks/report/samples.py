"""A few documents of a corpus, found by id, and the first of each step that dropped some.

Ids are hashes: the documents with the lowest ones are a sample that nobody chose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.corpus.document import shards

MOST_ROWS = 500_000
"""So many documents, from the first, are looked at; of a larger corpus that is a sample, too."""


def first_rows(path: Path, columns: list[str], most: int = MOST_ROWS) -> pa.Table:
    """The first `most` rows or somewhat more: whole row groups."""
    with pq.ParquetFile(path) as file:
        groups, rows = [], 0
        for group in range(file.num_row_groups):
            if rows >= most:
                break
            groups.append(group)
            rows += file.metadata.row_group(group).num_rows
        return file.read_row_groups(groups, columns=columns)


def values(table: pa.Table, column: str) -> NDArray[Any]:
    """(N,) By way of Python's own numbers: pyarrow would load pandas, which takes longer than all else here."""
    return np.array(table[column].to_pylist())


def rows_at(table: pa.Table, places: Sequence[int]) -> list[dict[str, Any]]:
    return [table.slice(place, 1).to_pylist()[0] for place in places]


def fetch(documents: Path, ids: Collection[bytes]) -> dict[bytes, dict[str, Any]]:
    """Those of the documents (id, source, text, metadata) that are there."""
    wanted = sorted(ids)
    found: dict[bytes, dict[str, Any]] = {}
    columns = ["id", "source", "text", "metadata"]
    for path in shards(documents):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                within = _within(file.metadata.row_group(group), wanted)
                if not within:
                    continue
                names = file.read_row_group(group, columns=["id"])["id"].to_pylist()
                places = [at for at, name in enumerate(names) if name in within]
                if places:
                    rows = rows_at(file.read_row_group(group, columns=columns), places)
                    found |= {row["id"]: row for row in rows}
    return found


def _within(group: Any, wanted: Sequence[bytes]) -> set[bytes]:
    """The ids that a row group may hold, from its statistics."""
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        return set(wanted)
    low, high = (edge.encode() if isinstance(edge, str) else edge for edge in (statistics.min, statistics.max))
    return {name for name in wanted if low <= name <= high}


@dataclass(frozen=True)
class Ledger:
    """The decisions about the first documents of a corpus, by column."""

    table: pa.Table

    @staticmethod
    def read(corpus: Path) -> Ledger:
        columns = ["id", "step", "reason", "value", "threshold", "matched_id", "jaccard", "language"]
        return Ledger(first_rows(corpus / "ledger.parquet", columns))

    @property
    def steps(self) -> NDArray[np.object_]:
        """(N,) None where a document was kept."""
        return np.array(self.table["step"].to_pylist(), object)

    def first(self, steps: Collection[str], most: int) -> dict[str, list[dict[str, Any]]]:
        """For each step the first rows that it dropped."""
        of_rows = self.steps
        return {step: rows_at(self.table, np.flatnonzero(of_rows == step)[:most].tolist()) for step in steps}

    def groups(self, step: str) -> list[tuple[bytes, int]]:
        """The documents that a step dropped others for, and how many there are of each group with it; most first."""
        rows = zip(self.table["step"].to_pylist(), self.table["matched_id"].to_pylist(), strict=True)
        counts = Counter(matched for name, matched in rows if name == step and matched)
        return sorted(((kept, count + 1) for kept, count in counts.items()), key=lambda one: (-one[1], one[0]))

    def spread(self, step: str, most: int) -> list[dict[str, Any]]:
        """Pairs of a step from the least alike to the most, spread over their ranks; no kept document twice."""
        places = np.flatnonzero(self.steps == step)
        if not len(places):
            return []
        jaccard = values(self.table, "jaccard").astype(float)
        matched = np.array([name or b"" for name in self.table["matched_id"].to_pylist()], "S16")
        order = places[np.argsort(jaccard[places], kind="stable")]
        order = order[np.sort(np.unique(matched[order], return_index=True)[1])]  # of each kept one the least alike
        chosen = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).astype(int))
        return rows_at(self.table, order[chosen].tolist())


def held_out_texts(labels: Path, ids: set[str]) -> dict[str, str]:
    """Texts of the test and validation set, from the files: the library that wrote them takes two seconds to load."""
    found: dict[str, str] = {}
    for path in sorted((labels / "data").glob("*/*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            for batch in stream:
                rows = zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True)
                found |= {name: text for name, text in rows if name in ids}
    return found
