"""The texts of some documents of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.corpus.document import BATCH_BYTES, iter_documents
from tasks.corpus.partitions import BATCH_ROWS


def texts_of(documents: Path, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], pa.Array]]:
    """Row numbers and texts of the wanted documents, batch by batch."""
    row = 0
    for batch in iter_documents(documents, columns=["text"], rows=BATCH_ROWS, size=BATCH_BYTES):
        chosen = np.flatnonzero(wanted[row : row + batch.num_rows])
        if len(chosen):
            yield row + chosen, batch["text"].take(pa.array(chosen))
        row += batch.num_rows
