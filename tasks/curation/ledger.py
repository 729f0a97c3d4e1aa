"""The ledger: what became of every document, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),  # kept or dropped
        # `drop`, a rule's name, `decontaminate`, `exact` or `near`; of kept ones `keep` where that lists them, or null
        pa.field("step", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("matched_id", pa.binary(16)),  # the kept document, or the held-out text, that it repeats
        pa.field("jaccard", pa.float64()),
        pa.field("language", pa.string()),  # as identified
        pa.field("component", pa.binary(16)),  # of kept ones: the lowest id of those that hang together with it
    ]
)


class Ledger:
    """Decisions about N documents, filled in step by step: a document is dropped once."""

    def __init__(self, ids: pa.Array, sources: pa.Array, languages: pa.Array) -> None:
        self._ids, self._sources, self._languages = ids, sources, languages
        count = len(ids)
        self.kept = np.ones(count, bool)
        self._step, self._reason, self._matched, self._component = (np.full(count, None, object) for _ in range(4))
        self._value, self._threshold, self._jaccard = (np.full(count, np.nan) for _ in range(3))

    def drop(
        self,
        documents: NDArray[np.int64],
        step: str,
        *,
        reason: NDArray[np.object_] | str,
        value: NDArray[np.float64] | float = np.nan,
        threshold: NDArray[np.float64] | float = np.nan,
        matched: NDArray[np.object_] | None = None,
        jaccard: NDArray[np.float64] | float = np.nan,
    ) -> None:
        """Drop documents (indices); what is given for each stands in the same order as they."""
        assert self.kept[documents].all(), f"{step} drops a document that was dropped before"
        self.kept[documents] = False
        self._step[documents], self._reason[documents] = step, reason
        self._value[documents], self._threshold[documents] = value, threshold
        self._jaccard[documents] = jaccard
        if matched is not None:
            self._matched[documents] = matched

    def keep(self, documents: NDArray[np.int64], step: str, *, reason: str) -> None:
        """Say of kept documents (indices) why they stay."""
        assert self.kept[documents].all(), f"{step} keeps a document that was dropped"
        self._step[documents], self._reason[documents] = step, reason

    def group(self, first: NDArray[np.int64]) -> None:
        """Of the kept documents, in their order, say which of them (indices) is the first of their component. (K,)"""
        kept = np.flatnonzero(self.kept)
        ids = np.array(self._ids.take(pa.array(kept)).to_pylist(), object)
        self._component[kept] = ids[first]

    def table(self) -> pa.Table:
        def number(values: NDArray[np.float64]) -> pa.Array:
            return pa.array(values, pa.float64(), from_pandas=True)  # NaN is null

        columns = [
            self._ids,
            self._sources,
            np.where(self.kept, "kept", "dropped"),
            self._step,
            self._reason,
            number(self._value),
            number(self._threshold),
            pa.array(self._matched, pa.binary(16)),
            number(self._jaccard),
            self._languages,
            pa.array(self._component, pa.binary(16)),
        ]
        return pa.table(columns, schema=SCHEMA)

    def write(self, path: Path) -> None:
        pq.write_table(self.table(), path, compression="zstd", row_group_size=65536)
