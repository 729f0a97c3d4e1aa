"""The ledger: what became of every document, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.corpus.document import reference
from tasks.corpus.row_groups import ROWS, RowGroups

SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),  # kept or dropped
        pa.field("step", pa.string()),  # name of the rule, decontaminate, exact or near; null for kept ones
        pa.field("reason", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("matched_id", pa.binary(16)),  # the kept document, or the held-out text, that it repeats
        pa.field("jaccard", pa.float64()),
    ]
)


_NONE = -1


class Ledger:
    """Decisions about N documents, filled in step by step: a document is dropped once.

    It takes 72 bytes of memory a document, those of its id and its source among them.
    """

    def __init__(self, ids: pa.Array, sources: pa.Array) -> None:
        self._ids, self._sources = ids, sources.dictionary_encode()
        count = len(ids)
        self.kept = np.ones(count, bool)
        self._steps: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._step, self._reason = np.full(count, _NONE, np.int32), np.full(count, _NONE, np.int32)
        self._matched, self._has_match = np.zeros(count, "V16"), np.zeros(count, bool)
        self._value, self._threshold, self._jaccard = (np.full(count, np.nan) for _ in range(3))

    @property
    def ids(self) -> NDArray[np.void]:
        """(N,) the ids, 16 bytes each."""
        start = self._ids.offset
        return np.frombuffer(self._ids.buffers()[1], "V16")[start : start + len(self._ids)]

    def drop(
        self,
        documents: NDArray[np.int64],
        step: str,
        *,
        reason: NDArray[np.object_] | str,
        value: NDArray[np.float64] | float = np.nan,
        threshold: NDArray[np.float64] | float = np.nan,
        matched: NDArray[np.object_] | NDArray[np.void] | None = None,
        jaccard: NDArray[np.float64] | float = np.nan,
    ) -> None:
        """Drop documents (indices); what is given for each stands in the same order as they. `matched` are ids."""
        assert self.kept[documents].all(), f"{step} drops a document that was dropped before"
        self.kept[documents] = False
        self._tell(documents, step, reason)
        self._value[documents], self._threshold[documents] = value, threshold
        self._jaccard[documents] = jaccard
        if matched is not None:
            self._has_match[documents] = True
            fixed = matched if matched.dtype.kind == "V" else np.frombuffer(b"".join(matched.tolist()), "V16")
            self._matched[documents] = fixed

    def _tell(self, documents: NDArray[np.int64], step: str, reason: NDArray[np.object_] | str) -> None:
        self._step[documents] = self._steps.setdefault(step, len(self._steps))
        told = pa.array([reason] if isinstance(reason, str) else reason, pa.string()).dictionary_encode()
        codes = [self._reasons.setdefault(text, len(self._reasons)) for text in told.dictionary.to_pylist()]
        self._reason[documents] = np.array(codes, np.int32)[told.indices.to_numpy()]

    def reference(self, document: int) -> str:
        """The id of a document (index) as people read it."""
        return reference(self._ids[document].as_py())

    def write(self, path: Path) -> None:
        with RowGroups(path, SCHEMA) as rows:
            for start in range(0, len(self.kept), ROWS):
                rows.write(self._rows(slice(start, start + ROWS)))

    def _rows(self, part: slice) -> pa.Table:
        def number(values: NDArray[np.float64]) -> pa.Array:
            return pa.array(values[part], pa.float64(), from_pandas=True)  # NaN is null

        def name(codes: NDArray[np.int32], names: dict[str, int]) -> pa.Array:
            return pa.array([*names, None], pa.string()).take(pa.array(codes[part] % (len(names) + 1)))

        has_match = pa.array(self._has_match[part])
        matched = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(has_match), [None, pa.py_buffer(self._matched[part].tobytes())]
        )
        columns = [
            self._ids[part],
            self._sources[part].cast(pa.string()),
            pc.if_else(pa.array(self.kept[part]), "kept", "dropped"),
            name(self._step, self._steps),
            name(self._reason, self._reasons),
            number(self._value),
            number(self._threshold),
            pc.if_else(has_match, matched, pa.scalar(None, pa.binary(16))),
            number(self._jaccard),
        ]
        return pa.table(columns, schema=SCHEMA)
