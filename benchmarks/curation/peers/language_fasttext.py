"""fastText one text after another, the whole of each, as its own documentation shows it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fasttext.FastText import _FastText

from benchmarks.curation.peers.documents import read


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    model = _FastText(model_path=options.model)
    table = read(options.documents)
    found = []
    for text in table["text"].to_pylist():
        labels, _ = model.predict(text.replace("\n", " "))
        found.append(labels[0].removeprefix("__label__") if labels else "und")
    pq.write_table(pa.table({"id": table["id"], "language": found}), options.out / "languages.parquet")


if __name__ == "__main__":
    main()
