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


_NONE = -1


class Ledger:
    """Decisions about N documents, filled in step by step: a document is dropped once.

    It takes 91 bytes of memory a document, those of its id, source and language among them.
    """

    def __init__(self, ids: pa.Array, sources: pa.Array, languages: pa.Array) -> None:
        self._ids, self._sources, self._languages = ids, sources.dictionary_encode(), languages.dictionary_encode()
        count = len(ids)
        self.kept = np.ones(count, bool)
        self._steps: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._step, self._reason = np.full(count, _NONE, np.int32), np.full(count, _NONE, np.int32)
        self._matched, self._has_match = np.zeros(count, "V16"), np.zeros(count, bool)
        self._component, self._has_component = np.zeros(count, "V16"), np.zeros(count, bool)
        self._value, self._threshold, self._jaccard = (np.full(count, np.nan) for _ in range(3))

    @property
    def id_column(self) -> pa.Array:
        return self._ids

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
        matched: NDArray[np.void] | list[bytes] | None = None,
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
            given = np.frombuffer(b"".join(matched), "V16") if isinstance(matched, list) else matched
            self._matched[documents] = given

    def keep(self, documents: NDArray[np.int64], step: str, *, reason: str) -> None:
        """Say of kept documents (indices) why they stay."""
        assert self.kept[documents].all(), f"{step} keeps a document that was dropped"
        self._tell(documents, step, reason)

    def group(self, first: NDArray[np.int64]) -> None:
        """Of the kept documents, in their order, say which of them (indices) is the first of their component. (K,)"""
        kept = np.flatnonzero(self.kept)
        self._component[kept], self._has_component[kept] = self.ids[kept[first]], True

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

    def table(self) -> pa.Table:
        """All of it at once; `write` takes it in parts."""
        return self._rows(slice(None))

    def _rows(self, part: slice) -> pa.Table:
        def number(values: NDArray[np.float64]) -> pa.Array:
            return pa.array(values[part], pa.float64(), from_pandas=True)  # NaN is null

        def name(codes: NDArray[np.int32], names: dict[str, int]) -> pa.Array:
            return pa.array([*names, None], pa.string()).take(pa.array(codes[part] % (len(names) + 1)))

        def fixed(values: NDArray[np.void], given: NDArray[np.bool_]) -> pa.Array:
            buffer = pa.py_buffer(values[part].tobytes())
            whole = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(given[part]), [None, buffer])
            return pc.if_else(pa.array(given[part]), whole, pa.scalar(None, pa.binary(16)))

        columns = [
            self._ids[part],
            self._sources[part].cast(pa.string()),
            pc.if_else(pa.array(self.kept[part]), "kept", "dropped"),
            name(self._step, self._steps),
            name(self._reason, self._reasons),
            number(self._value),
            number(self._threshold),
            fixed(self._matched, self._has_match),
            number(self._jaccard),
            self._languages[part].cast(pa.string()),
            fixed(self._component, self._has_component),
        ]
        return pa.table(columns, schema=SCHEMA)
