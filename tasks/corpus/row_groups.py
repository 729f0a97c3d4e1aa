"""Rows into a Parquet file whose bytes depend on the rows alone, not on the batches they came in."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 65536


class RowGroups:
    """Writes row groups of `ROWS` rows; at most so many are held in memory, and what came with the last batch."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._held: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        self._held.append(rows)
        self._rows += rows.num_rows
        if self._rows < ROWS:
            return
        table = pa.concat_tables(self._held)
        whole = self._rows - self._rows % ROWS
        for start in range(0, whole, ROWS):
            self._write(table.slice(start, ROWS))
        self._held, self._rows = [pa.concat_tables([table.slice(whole)]).combine_chunks()], self._rows - whole

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(pa.concat_tables([table]).combine_chunks(), row_group_size=ROWS)

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._rows:
            self._write(pa.concat_tables(self._held))
        self._writer.close()
