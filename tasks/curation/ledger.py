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
_TOLD = np.dtype(
    [
        *(("step", np.int32), ("reason", np.int32)),
        *((name, np.float64) for name in ("value", "threshold", "jaccard")),
        *(("matched", "V16"), ("has_match", bool)),
    ]
)


class Ledger:
    """Decisions about N documents, filled in step by step: a document is dropped once.

    It takes 33 bytes of memory a document, those of its id, source and language among them, and 49 more for one that is
    dropped, or of which it is said why it stays.
    """

    def __init__(self, ids: pa.Array, sources: pa.Array, languages: pa.Array) -> None:
        self._ids, self._sources, self._languages = ids, sources.dictionary_encode(), languages.dictionary_encode()
        count = len(ids)
        self.kept = np.ones(count, bool)
        self._steps: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._told = [np.zeros(0, _TOLD)]
        self._place = np.full(count, _NONE, np.int32)  # of each document in what was told
        self._first = np.full(count, _NONE, np.int32)  # of each kept document the first of its component

    @property
    def id_column(self) -> pa.Array:
        return self._ids

    @property
    def languages(self) -> pa.DictionaryArray:
        return self._languages

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
        told = self._tell(documents, step, reason)
        told["value"], told["threshold"], told["jaccard"] = value, threshold, jaccard
        if matched is not None:
            told["has_match"] = True
            told["matched"] = np.frombuffer(b"".join(matched), "V16") if isinstance(matched, list) else matched

    def keep(self, documents: NDArray[np.int64], step: str, *, reason: str) -> None:
        """Say of kept documents (indices) why they stay."""
        assert self.kept[documents].all(), f"{step} keeps a document that was dropped"
        self._tell(documents, step, reason)

    def group(self, first: NDArray[np.int64]) -> None:
        """Of the kept documents, in their order, say which of them (indices) is the first of their component. (K,)"""
        kept = np.flatnonzero(self.kept)
        self._first[kept] = kept[first]

    def _tell(self, documents: NDArray[np.int64], step: str, reason: NDArray[np.object_] | str) -> NDArray[np.void]:
        """What is told of documents, in their order, to be filled in."""
        told = np.zeros(len(documents), _TOLD)
        told["step"] = self._steps.setdefault(step, len(self._steps))
        texts = pa.array([reason] if isinstance(reason, str) else reason, pa.string()).dictionary_encode()
        codes = [self._reasons.setdefault(text, len(self._reasons)) for text in texts.dictionary.to_pylist()]
        told["reason"] = np.array(codes, np.int32)[texts.indices.to_numpy()]
        for name in ("value", "threshold", "jaccard"):
            told[name] = np.nan
        self._place[documents] = sum(map(len, self._told)) + np.arange(len(documents))
        self._told.append(told)
        return told

    def reference(self, document: int) -> str:
        """The id of a document (index) as people read it."""
        return reference(self._ids[document].as_py())

    def write(self, path: Path) -> None:
        told = np.concatenate(self._told)
        with RowGroups(path, SCHEMA) as rows:
            for start in range(0, len(self.kept), ROWS):
                rows.write(self._rows(slice(start, start + ROWS), told))

    def table(self) -> pa.Table:
        """All of it at once; `write` takes it in parts."""
        return self._rows(slice(None), np.concatenate(self._told))

    def _rows(self, part: slice, told: NDArray[np.void]) -> pa.Table:
        known, first = self._place[part] != _NONE, self._first[part]
        own = np.zeros(len(known), _TOLD)
        own[known] = told[self._place[part][known]]

        def number(name: str) -> pa.Array:
            return pa.array(own[name], mask=~known | np.isnan(own[name]))

        def name(name: str, names: dict[str, int]) -> pa.Array:
            return pa.array([*names], pa.string()).take(pa.array(own[name], mask=~known))

        columns = [
            self._ids[part],
            self._sources[part].cast(pa.string()),
            pc.if_else(pa.array(self.kept[part]), "kept", "dropped"),
            name("step", self._steps),
            name("reason", self._reasons),
            number("value"),
            number("threshold"),
            _fixed(own["matched"], own["has_match"]),
            number("jaccard"),
            self._languages[part].cast(pa.string()),
            self._ids.take(pa.array(first, mask=first == _NONE)),
        ]
        return pa.table(columns, schema=SCHEMA)


def _fixed(values: NDArray[np.void], given: NDArray[np.bool_]) -> pa.Array:
    """16 bytes each, null where none are given."""
    whole = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(given), [None, pa.py_buffer(values.tobytes())])
    return pc.if_else(pa.array(given), whole, pa.scalar(None, pa.binary(16)))
