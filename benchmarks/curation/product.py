"""The product's side of the comparisons, as commands: one part of curation each, without tracking or orchestration.

python -m benchmarks.curation.product PART --documents DIR --out DIR
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

BANDS, ROWS, THRESHOLD, SHINGLE, SHORT = 20, 8, 0.8, 5, 20


def near_duplicates(documents: Path, out: Path) -> None:
    """Read, sign, walk and verify, write what is kept. Exact copies first, as `select` does; longest text first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from tasks.dedup.bands import Bands
    from tasks.dedup.scratch import Scratch
    from tasks.dedup.words import hash_words

    from tasks.corpus.document import iter_documents, write_documents
    from tasks.dedup.signatures import sign
    from tasks.dedup.walk import KEPT, find_near_duplicates

    signatures, words, sizes, digests = [], [], [], []
    for batch in iter_documents(documents, ["text_digest", "text"], 1024):
        found = hash_words(batch["text"])
        signatures.append(sign(found, SHINGLE, BANDS * ROWS, 1))
        words.append(found.counts)
        sizes.append(pc.binary_length(batch["text"].cast(pa.large_binary())).to_numpy())
        digests.append(np.frombuffer(b"".join(batch["text_digest"].to_pylist()), np.uint64).reshape(-1, 2))
    order = np.argsort(-np.concatenate(sizes), kind="stable")
    _, first = np.unique(np.concatenate(digests)[order], axis=0, return_index=True)
    order = order[np.sort(first)]

    def read(wanted: Any) -> Any:
        row = 0
        for batch in iter_documents(documents, ["text"], 1024):
            chosen = np.flatnonzero(wanted[row : row + batch.num_rows])
            if len(chosen):
                yield row + chosen, batch["text"].take(pa.array(chosen))
            row += batch.num_rows

    with Scratch(out, 1 << 30) as scratch:
        walked = find_near_duplicates(
            order,
            np.concatenate(words),
            np.concatenate(signatures),
            read,
            scratch,
            shape=Bands(BANDS, ROWS),
            shingle_size=SHINGLE,
            threshold=THRESHOLD,
            minimum_words=SHORT,
            max_bucket=1 << 30,
        )
    kept = np.zeros(len(walked.matched), bool)
    kept[order] = walked.matched[order] == KEPT

    def batches() -> Any:
        row = 0
        for batch in iter_documents(documents):
            yield batch.filter(pa.array(kept[row : row + batch.num_rows]))
            row += batch.num_rows

    write_documents(out / "kept", batches())


class Stages:
    """Does stages of the road one after another in this process, each in a folder of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        from tasks.runtime.settings import Settings

        self.folder, self.settings = folder, Settings(workers=workers, device="cpu")

    def __call__(self, address: str, *arguments: Any, **named: Any) -> Any:
        """Run the stage `module:name` and return its artifact."""
        module, _, name = address.partition(":")
        stage = getattr(importlib.import_module(module), name)
        out, work = self.folder / name, self.folder / f"{name}.work"
        out.mkdir(parents=True)
        work.mkdir()
        job = stage.job(stage.name, stage.bind(*arguments, **named), out, work)
        return stage.execute(job, lambda _event: None, self.settings)


PARTS = {"near_duplicates": near_duplicates}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    PARTS[options.part](options.documents, options.out)


if __name__ == "__main__":
    main()
