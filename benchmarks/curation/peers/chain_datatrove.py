"""datatrove: the steps of `benchmarks.curation.chain` in local processes, one task a file, as its FineWeb example."""

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
from datatrove.pipeline.filters import (
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--language-model", required=True)
    parser.add_argument("--tokenizer", required=True)
    options = parser.parse_args()
    os.environ["HF_HOME"] = str(options.out / "hub")  # it copies the language model there
    workers, work = len(os.sched_getaffinity(0)), options.out / "work"
    files = len(list(options.documents.glob("*.jsonl")))
    config = MinhashConfig(5, 20, 8, hash_config=HashConfig(precision=64, hash_fc="xxhash"))
    language = LanguageFilter(label_only=True)
    language.model.MODEL_URL = options.language_model

    def run(name: str, steps: list[Any], tasks: int) -> None:
        LocalPipelineExecutor(steps, tasks=tasks, workers=workers, logging_dir=str(work / "logs" / name)).run()

    filtered = str(work / "filtered")
    steps = [
        JsonlReader(str(options.documents), glob_pattern="*.jsonl"),
        # The fixes of the product's `repair`.
        FTFYFormatter(
            unescape_html=False, fix_latin_ligatures=True, fix_character_width=True, remove_control_chars=False
        ),
        language,
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        FineWebQualityFilter(),
        JsonlWriter(filtered, compression=None),
    ]
    run("filter", steps, files)
    again = JsonlReader(filtered)
    run("sign", [again, MinhashDedupSignature(str(work / "signatures"), config)], files)
    buckets = MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config, lines_to_buffer=-1)
    run("buckets", [buckets], 20)
    cluster = MinhashDedupCluster(str(work / "buckets"), str(work / "removed"), config=config, lines_to_buffer=-1)
    run("cluster", [cluster], 1)
    tokens = DocumentTokenizer(
        str(options.out / "tokens"), options.tokenizer, shuffle_documents=False, save_final_metadata=False
    )
    run("tokenise", [again, MinhashDedupFilter(str(work / "removed")), tokens], files)


if __name__ == "__main__":
    main()
