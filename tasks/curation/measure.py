"""Measure: facts about every document, whatever the rules say, so that a changed threshold reruns `select` alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.measure import MeasureConfig
from tasks.corpus.document import count_documents, iter_documents
from tasks.curation.measures import perplexity, relevance
from tasks.curation.measures.language import LanguageModel
from tasks.curation.measures.statistics import statistics
from tasks.dedup.shingles import shingles
from tasks.dedup.signatures import Signatures, sign

ROWS = 1024  # documents at a time
TABLE = "measures/measures.parquet"
SIGNATURES = "signatures/signatures.npy"
FITTED = "fitted"


def run(
    config: MeasureConfig, documents: Path, lid_model: Path, out: Path, progress: Callable[[int], None]
) -> pa.Table:
    """Measure the documents of a folder into `out`; the rows of table and signatures are in order of id.

    Returns the table of measures.
    """
    count = count_documents(documents)
    (out / TABLE).parent.mkdir()
    (out / SIGNATURES).parent.mkdir()
    language = LanguageModel(lid_model)
    fit(config, documents, out / FITTED)
    models = perplexity.CrossFitted.load(out / FITTED)
    classifiers = relevance.CrossFitted.load(out / FITTED) if config.relevance else None
    signatures = np.lib.format.open_memmap(
        out / SIGNATURES, mode="w+", dtype=np.uint32, shape=(count, config.signature.permutations)
    )
    parts: list[pa.Table] = []
    row = 0
    for batch in iter_documents(documents, columns=["id", "source", "text"], rows=ROWS):
        texts = batch["text"].to_pylist()
        signed, shingle_words = signature(config, texts)
        signatures[row : row + len(texts)] = signed
        columns: dict[str, NDArray[np.generic]] = {
            **statistics(batch["text"]),
            **language.measure(texts, config.language),
            **perplexity.measure(models, texts, signed),
            **(relevance.measure(classifiers, texts, signed) if classifiers else {}),
            "shingle_words": shingle_words,
        }
        arrays = {name: pa.array(values) for name, values in columns.items()}
        parts.append(pa.table({"id": batch["id"], "source": batch["source"], **arrays}))
        row += len(texts)
        progress(len(texts))
    signatures.flush()
    table = pa.concat_tables(parts).combine_chunks()
    pq.write_table(table, out / TABLE, compression="zstd", row_group_size=65536)
    return table


def signature(config: MeasureConfig, texts: list[str]) -> tuple[Signatures, NDArray[np.int64]]:
    """MinHash signatures (N, K) and the number of words as deduplication counts them (N,)."""
    sets = shingles(texts, config.signature.shingle_size)
    return sign(sets, config.signature.permutations, config.signature.seed), sets.words


def fit(config: MeasureConfig, documents: Path, folder: Path) -> None:
    """Fit what measures need to know of the whole corpus."""
    folder.mkdir()
    perplexity.fit(config, documents, folder)
    if config.relevance:
        relevance.fit(config, config.relevance, documents, folder)


def summary(table: pa.Table) -> dict[str, Any]:
    """Documents, what is known of each language, and 1st, 50th and 99th percentile of each number."""
    numbers = [name for name in table.column_names if name not in ("id", "source", "language", "mixed")]
    return {
        "documents": table.num_rows,
        "languages": languages(table),
        "percentiles": {name: np.percentile(table[name], [1, 50, 99]).tolist() for name in numbers},
    }


def languages(table: pa.Table) -> dict[str, dict[str, float]]:
    """By language, the most frequent first: documents, bytes, mean confidence, and how many are mixed."""
    columns = table.select(["language", "bytes", "language_score", "mixed"])
    columns = columns.set_column(3, "mixed", columns["mixed"].cast(pa.int64()))
    figures = columns.group_by("language").aggregate(
        [("bytes", "count"), ("bytes", "sum"), ("language_score", "mean"), ("mixed", "sum")]
    )
    rows = sorted(figures.to_pylist(), key=lambda row: (-row["bytes_count"], row["language"]))
    return {
        row["language"]: {
            "documents": row["bytes_count"],
            "bytes": row["bytes_sum"],
            "confidence": round(row["language_score_mean"], 6),
            "mixed": row["mixed_sum"],
        }
        for row in rows
    }
