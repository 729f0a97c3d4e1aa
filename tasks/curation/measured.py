"""The measures of all documents, a column at a time: in memory lies what is asked for, as long as it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


class MeasuredColumns(Mapping[str, NDArray[Any]]):
    """Columns of a Parquet file by name, read anew whenever one is asked for; (N,) each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = pq.read_schema(path).names

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        column = pq.read_table(self._path, columns=[name], read_dictionary=[name])[0]
        if not pa.types.is_dictionary(column.type):
            return np.asarray(column)
        whole = column.unify_dictionaries().combine_chunks()  # equal strings are one object
        strings: NDArray[Any] = np.array(whole.dictionary.to_pylist(), object)[whole.indices.to_numpy()]
        return strings

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Judged(Mapping[str, NDArray[Any]]):
    """The values of some documents: those that `judged` (N,) marks."""

    def __init__(self, measured: Mapping[str, NDArray[Any]], judged: NDArray[np.bool_]) -> None:
        self._measured, self._judged = measured, judged

    def __getitem__(self, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._measured[name][self._judged]
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._measured)

    def __len__(self) -> int:
        return len(self._measured)
