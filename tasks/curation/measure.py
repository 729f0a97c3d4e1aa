"""Measure: facts about every document, whatever the rules say, so that a changed threshold reruns `select` alone.

Most facts follow from a text alone: they are taken from the earlier artifact of the same settings where it has the
text. What follows from fitted state as well (perplexity, whose models are trained on the corpus) is taken from there if
this is its next version (`lineage`), under the same state, and found out anew otherwise.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.measure import MeasureConfig
from tasks.corpus import partitions
from tasks.corpus.document import rows_between
from tasks.corpus.partitions import Figures, Partition
from tasks.corpus.row_groups import ROWS, RowGroups
from tasks.curation.distribution import distribution
from tasks.curation.lineage import Lineage
from tasks.curation.measures import perplexity, rarity, relevance
from tasks.curation.measures.cross_fitting import COLUMNS, Sample
from tasks.curation.measures.language import LanguageModel
from tasks.curation.measures.statistics import statistics
from tasks.curation.measures.toxicity import Scorer, toxicity_scorer
from tasks.dedup.signatures import Signatures, sign
from tasks.dedup.words import Texts, hash_words
from tasks.runtime.artifact import InputFile, InputFiles, sha256_of
from tasks.runtime.stage import Context

TABLE = "measures/measures.parquet"
SIGNATURES = "signatures/signatures.npy"
FITTED = "fitted"
POPULATION = f"{FITTED}/population.parquet"
"""Where state is that of an earlier version: the measures of the documents that it was fitted to, for quantiles."""

KEYS = ("id", "source", "text_digest")
"""What a document is told by; the other columns are facts."""
VERSION = "version"
"""Column: the version of the corpus in which a document first had its text."""

_GATHERING = 8  # threads, each with a table of 32 MB


def run(
    ctx: Context,
    config: MeasureConfig,
    documents: Path,
    lineage: Lineage,
    lid_model: InputFile,
    toxicity: InputFiles | None = None,
) -> int:
    """Measure the documents of a folder into `ctx.out`; rows of table and signatures are in order of id.

    Returns how many documents were measured before, in an earlier artifact.
    """
    places = partitions.cut(documents)
    fitted = keep_fitted(ctx.earlier, ctx.out) if ctx.earlier and lineage.version else fit(ctx, config, places)
    models = [lid_model.sha256, *([toxicity.digest] if toxicity else []), lineage.parent]
    state = "".join([*models, *(sha256_of(file) for file in sorted(fitted.iterdir()))])
    work = Measuring(config, lid_model.path, fitted, ctx.earlier, toxicity, lineage.version)
    parts = partitions.run(ctx, work, places, state=state)
    (ctx.out / TABLE).parent.mkdir()
    (ctx.out / SIGNATURES).parent.mkdir()
    with RowGroups(ctx.out / TABLE, pq.read_schema(parts[0].folder / "measures.parquet")) as rows:
        for part in parts:
            rows.write(pq.read_table(part.folder / "measures.parquet"))
    _join_signatures([part.folder / "signatures.npy" for part in parts], ctx.out / SIGNATURES)
    return sum(part.figures["reused"] for part in parts)


def fit(ctx: Context, config: MeasureConfig, places: Sequence[Partition]) -> Path:
    """Fit what measures need to know of the whole corpus, once; it becomes `fitted/` of the artifact."""
    kept = ctx.work / FITTED
    if not kept.exists():
        partial = ctx.work / f".{FITTED}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        gathered, *others = partitions.by_thread(
            lambda batches: gather(config, batches), places, COLUMNS, min(ctx.settings.cores, _GATHERING)
        )
        for other in others:
            gathered.join(other)
        rarity.write(gathered.words, partial / rarity.UNIGRAMS)
        perplexity.fit(config, gathered.perplexity, sum(place.rows for place in places), partial)
        relevance.fit(config, gathered.relevance, partial)
        partial.rename(kept)
    shutil.copytree(kept, ctx.out / FITTED)
    return kept


@dataclass(frozen=True)
class Gathered:
    """What models are fitted to, of the documents of one thread or of all."""

    words: rarity.Table
    perplexity: list[Sample]
    relevance: list[Sample]

    def join(self, other: Gathered) -> None:
        self.words[:] += other.words
        for own, more in zip((*self.perplexity, *self.relevance), (*other.perplexity, *other.relevance), strict=True):
            own.join(more)


def gather(config: MeasureConfig, batches: Iterator[pa.RecordBatch]) -> Gathered:
    """One pass over documents, with the columns `COLUMNS`."""
    found = Gathered(rarity.empty(), perplexity.samples(config), relevance.samples(config))
    for batch in batches:
        rarity.add(found.words, batch["text"])
        for sample in (*found.perplexity, *found.relevance):
            sample.add(batch)
    return found


def keep_fitted(earlier: Path, out: Path) -> Path:
    """Go on with the state of the version before, and with the measures that it was fitted to."""
    shutil.copytree(earlier / FITTED, out / FITTED)
    if not (out / POPULATION).exists():  # the earlier one is version 0
        with pq.ParquetFile(earlier / TABLE) as file:
            names = [name for name in file.schema_arrow.names if name not in ("id", "text_digest", VERSION)]
            with RowGroups(out / POPULATION, pa.schema([file.schema_arrow.field(name) for name in names])) as rows:
                for batch in file.iter_batches(ROWS, columns=names):
                    rows.write(pa.Table.from_batches([batch]))
    return out / FITTED


@dataclass(frozen=True)
class Measuring:
    """Measures a partition. Models are loaded once a process."""

    config: MeasureConfig
    lid_model: Path
    fitted: Path
    earlier: Path | None = None
    """A `Measures` of the same settings."""
    toxicity: InputFiles | None = None
    """What `config.toxicity` measures by."""
    version: int = 0
    """Of the corpus. Above 0 `earlier` is the version before, and `fitted` is its state."""

    def __call__(self, partition: Partition, folder: Path) -> Figures:
        reused = 0
        tables: list[pa.Table] = []
        signatures: list[Signatures] = []
        before = self._before(partition)
        for batch in partition.batches([*KEYS, "text"]):
            place = self._places(batch, before)
            fresh = np.flatnonzero(place < 0)
            texts = batch["text"].take(fresh) if len(fresh) < len(batch) else batch["text"]
            table, signed = self._of_texts(texts)
            if self.version:
                table = self._of_the_corpus(table, texts, signed)
            if before is not None and len(fresh) < len(batch):
                known = np.flatnonzero(place >= 0)
                reused += len(known)
                order = np.argsort(np.concatenate((fresh, known)))
                found = before.table.select(table.column_names).take(place[known])
                table = pa.concat_tables([table, found.cast(table.schema)]).take(order)
                signed = np.concatenate((signed, before.signatures[place[known]]))[order]
            if not self.version:
                table = self._of_the_corpus(table, batch["text"], signed)
            for at, name in enumerate(KEYS):
                table = table.add_column(at, pa.field(name, batch.schema.field(name).type), batch[name])
            tables.append(table)
            signatures.append(signed)
        pq.write_table(pa.concat_tables(tables), folder / "measures.parquet", compression="zstd")
        np.save(folder / "signatures.npy", np.concatenate(signatures))
        return {"reused": reused}

    def _of_texts(self, texts: pa.Array) -> tuple[pa.Table, Signatures]:
        """The facts that follow from texts alone."""
        columns: dict[str, NDArray[np.generic]] = {
            **statistics(texts),  # first, since it needs most memory
            **self._language.measure(texts, self.config.language),
        }
        signed, words = signature(self.config, texts)
        columns["shingle_words"] = words
        if self._toxicity:
            columns["toxicity"] = self._toxicity.measure(texts.to_pylist(), columns["language"], words)
        strings = {"language": pa.string()}
        return pa.table({name: pa.array(values, strings.get(name)) for name, values in columns.items()}), signed

    def _of_the_corpus(self, table: pa.Table, texts: pa.Array, signed: Signatures) -> pa.Table:
        """The table with the facts that follow from fitted state as well, and the version."""
        columns = {
            **rarity.measure(self._unigrams, texts),
            **perplexity.measure(self._perplexity, texts, signed),
            **(relevance.measure(self._relevance, texts.to_pylist(), signed) if self._relevance else {}),
            VERSION: np.full(len(texts), self.version, np.int32),
        }
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        return table

    @cached_property
    def _language(self) -> LanguageModel:
        return LanguageModel(self.lid_model)

    @cached_property
    def _perplexity(self) -> perplexity.CrossFitted | None:
        return perplexity.CrossFitted.load(self.fitted) if self.config.perplexity else None

    @cached_property
    def _toxicity(self) -> Scorer | None:
        return toxicity_scorer(self.config.toxicity, self.toxicity) if self.config.toxicity and self.toxicity else None

    @cached_property
    def _unigrams(self) -> rarity.Table:
        return rarity.read(self.fitted / rarity.UNIGRAMS)

    @cached_property
    def _relevance(self) -> relevance.CrossFitted | None:
        return relevance.CrossFitted.load(self.fitted) if self.config.relevance else None

    def _before(self, partition: Partition) -> _Before | None:
        """What the earlier artifact says of ids in the range of a partition."""
        if self.earlier is None:
            return None
        ids = pa.concat_arrays([batch["id"] for batch in partition.batches(["id"])])
        first, table = rows_between([self.earlier / TABLE], ids[0].as_py(), ids[-1].as_py())
        signatures = np.load(self.earlier / SIGNATURES, mmap_mode="r")
        return _Before(table, np.array(signatures[first : first + len(table)]))

    def _places(self, batch: pa.RecordBatch, before: _Before | None) -> NDArray[np.int64]:
        """Where the earlier artifact has each text of a batch, −1 where it has not."""
        if before is None:
            return np.full(len(batch), -1)
        place = pc.index_in(batch["id"], before.table["id"])
        equal = pc.equal(before.table["text_digest"].take(place).combine_chunks(), batch["text_digest"])
        found: NDArray[np.int64] = np.array(pc.fill_null(pc.if_else(equal, place, -1), -1), np.int64)
        return found


@dataclass(frozen=True)
class _Before:
    table: pa.Table
    signatures: Signatures


def _join_signatures(parts: list[Path], path: Path) -> None:
    """One `.npy` of several, row upon row; written, not mapped: its pages would count as memory."""
    arrays = [np.load(part, mmap_mode="r") for part in parts]
    shape = (sum(len(array) for array in arrays), arrays[0].shape[1])
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(arrays[0].dtype), "fortran_order": False, "shape": shape}
        )
        for part in parts:
            file.write(np.load(part).tobytes())


def signature(config: MeasureConfig, texts: Texts) -> tuple[Signatures, NDArray[np.int64]]:
    """MinHash signatures (N, K) and the number of words as deduplication counts them (N,)."""
    words, settings = hash_words(texts), config.signature
    return sign(words, settings.shingle_size, settings.permutations, settings.seed), words.counts


def summary(measures: Path) -> dict[str, Any]:
    """Documents, each language, 1st, 50th and 99th percentile and distribution of each number, one column at a time."""
    with pq.ParquetFile(measures / TABLE) as file:
        numbers = [name for name in file.schema_arrow.names if name not in (*KEYS, "language", "mixed", VERSION)]
        percentiles, histograms = {}, {}
        for name in numbers:
            values = file.read([name])[0].to_numpy()
            percentiles[name] = np.percentile(values, [1, 50, 99]).tolist()
            histograms[name] = distribution(values)
        return {
            "documents": file.metadata.num_rows,
            "languages": languages(file.read(["language", "bytes", "language_score", "mixed"])),
            "percentiles": percentiles,
            "histograms": histograms,
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
