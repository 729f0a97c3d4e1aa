"""Measure: facts about every document, whatever the rules say, so that a changed threshold reruns `select` alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.measure import MeasureConfig
from tasks.corpus.document import count_documents, iter_documents
from tasks.curation.measures import perplexity
from tasks.curation.measures.language import LanguageModel
from tasks.curation.measures.statistics import statistics
from tasks.dedup.signatures import Signatures, sign
from tasks.dedup.words import Texts, hash_words

ROWS = 1024  # documents at a time
TABLE = "measures/measures.parquet"
SIGNATURES = "signatures/signatures.npy"


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
    models = train_perplexity(config, documents)
    signatures = np.lib.format.open_memmap(
        out / SIGNATURES, mode="w+", dtype=np.uint32, shape=(count, config.signature.permutations)
    )
    parts: list[pa.Table] = []
    row = 0
    for batch in iter_documents(documents, columns=["id", "source", "text_digest", "text"], rows=ROWS):
        texts, digests = batch["text"].to_pylist(), batch["text_digest"].to_pylist()
        signed, shingle_words = signature(config, batch["text"])
        signatures[row : row + len(texts)] = signed
        columns: dict[str, NDArray[np.generic]] = {
            **statistics(batch["text"]),
            **language.measure(texts, config.language),
            **perplexity.measure(models, texts, digests),
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


def signature(config: MeasureConfig, texts: Texts) -> tuple[Signatures, NDArray[np.int64]]:
    """MinHash signatures (N, K) and the number of words as deduplication counts them (N,)."""
    words, settings = hash_words(texts), config.signature
    return sign(words, settings.shingle_size, settings.permutations, settings.seed), words.counts


def train_perplexity(config: MeasureConfig, documents: Path) -> tuple[perplexity.ByteModel, perplexity.ByteModel]:
    digests: list[bytes] = []
    sizes: list[int] = []
    for batch in iter_documents(documents, columns=["text_digest", "text"], rows=ROWS):
        digests += batch["text_digest"].to_pylist()
        sizes += [len(text) for text in batch["text"].cast(pa.large_binary()).to_pylist()]
    sample = perplexity.sampled(digests, sizes, config.perplexity.sample_bytes)
    return perplexity.train(config.perplexity, iter_documents(documents, ["text_digest", "text"], ROWS), sample)


def summary(table: pa.Table) -> dict[str, Any]:
    """Documents, languages (the ten most frequent), and 1st, 50th and 99th percentile of each number."""
    languages = sorted(pc.value_counts(table["language"]).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    numbers = [name for name in table.column_names if name not in ("id", "source", "language")]
    return {
        "documents": table.num_rows,
        "languages": {row["values"]: row["counts"] for row in languages[:10]},
        "percentiles": {name: np.percentile(table[name], [1, 50, 99]).tolist() for name in numbers},
    }
