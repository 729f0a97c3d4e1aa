"""datatrove: its four MinHash steps in local processes, one task a file; candidates are clustered, never verified.

`--words ours` gives it the words of the product's definition in place of spaCy's, which makes it faster.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer

BANDS, ROWS = 20, 8


class OurWords(WordTokenizer):
    def word_tokenize(self, text: str) -> list[str]:
        from benchmarks.curation.brute_force import words

        return words(text)

    def sent_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError


def adapt(_reader: Any, row: dict[str, Any], _path: str, _number: int) -> dict[str, Any]:
    return {"text": row["text"], "id": row["id"].hex(), "media": [], "metadata": {}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--words", choices=["spacy", "ours"], required=True)
    options = parser.parse_args()
    workers, work = len(os.sched_getaffinity(0)), options.out / "work"
    files = len(list(options.documents.glob("*.parquet")))
    off = TextNormConfig(False, False, False, False, False)
    norm = off if options.words == "ours" else TextNormConfig()
    config = MinhashConfig(5, BANDS, ROWS, norm_config=norm, hash_config=HashConfig(precision=64, hash_fc="xxhash"))
    words = OurWords() if options.words == "ours" else "eng"
    reader = ParquetReader(str(options.documents), adapter=adapt, read_metadata=False)

    def run(name: str, steps: list[Any], tasks: int) -> None:
        LocalPipelineExecutor(steps, tasks=tasks, workers=workers, logging_dir=str(work / "logs" / name)).run()

    run("sign", [reader, MinhashDedupSignature(str(work / "signatures"), config, language=words)], files)
    buckets = MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config, lines_to_buffer=-1)
    run("buckets", [buckets], BANDS)
    cluster = MinhashDedupCluster(str(work / "buckets"), str(work / "removed"), config=config, lines_to_buffer=-1)
    run("cluster", [cluster], 1)
    kept = ParquetWriter(str(options.out / "kept"), compression="zstd")
    run("filter", [reader, MinhashDedupFilter(str(work / "removed")), kept], files)


if __name__ == "__main__":
    main()
