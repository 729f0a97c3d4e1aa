"""How labelled data lie on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.corpus.document import reference
from tasks.ingest.split import Pairs

SPLITS = ("train", "validation", "test")
UNUSED = -1


@dataclass(frozen=True, slots=True)
class Example:
    """A readable row of labelled data."""

    id: bytes
    source: str
    file: str
    line: int
    external_id: str | None
    text: str
    size: int
    """Bytes of the record that it was read from."""
    label: str | None
    """None where the row has none (or, of a list, not exactly one)."""
    group: str | None
    split: str | None


def write_splits(
    out: Path, examples: list[Example], labels: list[str], y: np.ndarray, groups: np.ndarray, parts: np.ndarray
) -> None:
    """Write `data/` and `labels.json`; `y`, `groups`, `parts` are (N,), the last an index into `SPLITS` or `UNUSED`."""
    import datasets  # takes a second, which the checks of the input need not wait for

    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "external_id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=labels),
            "group": datasets.Value("int64"),
        }
    )
    splits = datasets.DatasetDict()
    for number, name in enumerate(SPLITS):
        rows = [
            {
                "id": examples[index].id.hex(),
                "external_id": examples[index].external_id,
                "text": examples[index].text,
                "label": int(y[index]),
                "group": int(groups[index]),
            }
            for index in np.flatnonzero(parts == number)
        ]
        # Of the content: the library would draw a random fingerprint, and it lies in state.json.
        fingerprint = hashlib.sha256(json.dumps([labels, rows]).encode()).hexdigest()[:16]
        table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
        info = datasets.DatasetInfo(features=features)
        splits[name] = datasets.Dataset(table, info=info, fingerprint=fingerprint)
    datasets.disable_progress_bars()
    splits.save_to_disk(str(out / "data"))
    (out / "labels.json").write_text(json.dumps(labels, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_conflicts(path: Path, examples: list[Example], y: np.ndarray, pairs: Pairs) -> int:
    """Write the near-duplicates with different labels, the most alike first; return how many pairs there are."""
    found = [
        (jaccard, examples[a], examples[b])
        for a, b, jaccard in zip(pairs.left, pairs.right, pairs.jaccard, strict=True)
        if y[a] != y[b]
    ]
    found.sort(key=lambda pair: (-pair[0], pair[1].id, pair[2].id))
    columns: dict[str, pa.Array] = {"jaccard": pa.array([jaccard for jaccard, _, _ in found], pa.float64())}
    for side in (1, 2):
        of_side = [pair[side] for pair in found]
        columns |= {
            f"document_{side}": pa.array([reference(example.id) for example in of_side], pa.string()),
            f"external_id_{side}": pa.array([example.external_id for example in of_side], pa.string()),
            f"label_{side}": pa.array([example.label for example in of_side], pa.string()),
            f"file_{side}": pa.array([example.file for example in of_side], pa.string()),
            f"line_{side}": pa.array([example.line for example in of_side], pa.int64()),
        }
    pq.write_table(pa.table(columns), path)
    return len(found)
