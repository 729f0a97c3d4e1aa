"""What every peer reads and writes: Parquet with columns id (16 bytes) and text."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path, columns=["id", "text"]) for path in sorted(folder.glob("*.parquet")))


def write(table: pa.Table, kept: list[int], out: Path) -> None:
    """Write the kept rows, in their order."""
    pq.write_table(table.take(pa.array(sorted(kept), pa.int64())), out / "kept.parquet", compression="zstd")


def longest_first(texts: list[str]) -> list[int]:
    return sorted(range(len(texts)), key=lambda row: -len(texts[row]))


def ngrams(words: list[str], size: int = 5) -> set[str]:
    """Word n-grams; of fewer words all of them."""
    return {" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1))}
