"""Work on a set of documents, partition by partition: each is done once, kept, and done again only when it must be.

A partition is a range of consecutive row groups of one shard, so partitions in their order are the documents in the
order of their ids. What is done to one is a pure function, `Work`: documents in, files and figures out. It knows
neither where it runs nor what became of other partitions. A finished partition is a folder, named by its key (a digest
of the shard's bytes, the range, and the recipe), with a manifest of its files; a folder without one, or whose files do
not agree with it, does not count.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from tasks.corpus.document import BATCH_BYTES, SCHEMA, bounded, shards
from tasks.corpus.pool import each
from tasks.runtime.fingerprint import digest_of
from tasks.runtime.stage import Context

PARTITION_BYTES = 8 << 20
"""Text of a partition, about: large against the cost of a hand-over, small against memory."""
BATCH_ROWS = 1024
WORKER_BYTES = 24 << 20
"""Text that makes one more process worth its start (about a second of imports and models)."""
MANIFEST = "manifest.json"

R = TypeVar("R")

Figures = Mapping[str, Any]
"""What a partition yields beside its files, as JSON types."""


@dataclass(frozen=True)
class Partition:
    """Row groups `first` … `stop` − 1 of a shard."""

    shard: Path
    first: int
    stop: int
    rows: int
    text_bytes: int
    """Before compression."""
    digest: str
    """Of the shard's bytes."""

    def __str__(self) -> str:
        return f"row groups {self.first} to {self.stop - 1} of {self.shard}"

    def table(self, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
        """All its documents, in order of their ids."""
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        with pq.ParquetFile(self.shard) as file:
            return file.read_row_groups(range(self.first, self.stop), list(columns), use_threads=False).cast(schema)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The documents in order of their ids, in batches of `BATCH_ROWS` and about `BATCH_BYTES` at most."""
        groups = range(self.first, self.stop)
        with pq.ParquetFile(self.shard) as file:
            for batch in file.iter_batches(BATCH_ROWS, groups, columns=columns, use_threads=False):
                yield from bounded(batch, BATCH_BYTES) if "text" in batch.schema.names else (batch,)


class Work(Protocol):
    """A pure function of a partition; picklable. It may keep what it has loaded for the next one."""

    def __call__(self, partition: Partition, folder: Path) -> Figures:
        """Write files into the empty `folder`; return figures."""
        ...


@dataclass(frozen=True)
class Part:
    """A finished partition."""

    folder: Path
    figures: Figures


def cut(documents: Path, size: int | None = None) -> list[Partition]:
    """The partitions of a folder of documents, each of about `size` bytes of text (`PARTITION_BYTES`)."""
    size = PARTITION_BYTES if size is None else size
    found: list[Partition] = []
    for shard in shards(documents):
        digest = _digest(shard)
        footer = pq.read_metadata(shard)
        text = footer.schema.to_arrow_schema().get_field_index("text")
        first = rows = held = 0
        for group in range(footer.num_row_groups):
            rows += footer.row_group(group).num_rows
            held += footer.row_group(group).column(text).total_uncompressed_size
            if rows and (held >= size or group + 1 == footer.num_row_groups):
                found.append(Partition(shard, first, group + 1, rows, held, digest))
                first, rows, held = group + 1, 0, 0
    return found


def by_thread(
    function: Callable[[Iterator[pa.RecordBatch]], R], partitions: Sequence[Partition], columns: list[str], threads: int
) -> list[R]:
    """`function` of the documents in as many parts as there are threads (one at least), each on its own.

    For what Arrow and compiled kernels do, which hold no lock of the interpreter, and what comes to less than the start
    of a process. Which documents meet in a part depends on `threads`: it must make no difference to what is joined.
    """
    threads = max(1, min(threads, len(partitions)))
    parts = [
        (batch for partition in partitions[at::threads] for batch in partition.batches(columns))
        for at in range(threads)
    ]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, parts))


def run(ctx: Context, work: Work, partitions: Sequence[Partition], *, state: str = "") -> list[Part]:
    """Do `work` on every partition that is not finished yet; return all, in order.

    `state` is a digest of what else than the stage's config and version the result follows from: models, fitted state.
    A small corpus is worked on in this process, a large one by `TEXTMILL_WORKERS` of them.
    """
    recipe = {**ctx.recipe.model_dump(include={"stage", "version", "config"}), "state": state}
    keep = ctx.work / "partitions"
    keep.mkdir(exist_ok=True)
    for left in keep.glob(".*"):
        shutil.rmtree(left)  # of a worker that was killed
    total, done = sum(partition.rows for partition in partitions), 0
    parts: dict[int, Part] = {}
    todo: list[_Item] = []
    for place, partition in enumerate(partitions):
        item = _Item(place, partition, keep / _key(partition, recipe))
        if (part := _finished(item.folder, ctx.say)) is None:
            todo.append(item)
        else:
            parts[place] = part
            done += partition.rows
    if parts:
        ctx.say(f"{len(parts)} of {len(partitions)} partitions were finished before")
    workers = min(ctx.settings.cores, sum(item.partition.text_bytes for item in todo) // WORKER_BYTES)
    for at, part in each(_Kept(work), todo, workers):
        parts[todo[at].place] = part
        done += todo[at].partition.rows
        ctx.progress(done, total, "documents")
    return [parts[place] for place in range(len(partitions))]


@dataclass(frozen=True)
class _Item:
    place: int
    partition: Partition
    folder: Path

    def __str__(self) -> str:
        return str(self.partition)


@dataclass(frozen=True)
class _Kept:
    """Work whose result appears under its name at once and whole."""

    work: Work

    def __call__(self, item: _Item) -> Part:
        partial = item.folder.with_name(f".{item.folder.name}-{os.getpid()}")
        partial.mkdir()
        figures = self.work(item.partition, partial)
        files = {path.name: _digest(path) for path in sorted(partial.iterdir())}
        (partial / MANIFEST).write_text(json.dumps({"figures": figures, "files": files}), encoding="utf-8")
        partial.rename(item.folder)
        return Part(item.folder, figures)


def _finished(folder: Path, say: Callable[[str], None]) -> Part | None:
    """What lies in `folder`; None if there is nothing, or, and then it is deleted, if a file of it is damaged."""
    if not folder.exists():
        return None
    wrong = MANIFEST
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        for name, digest in manifest["files"].items():
            wrong = name
            if _digest(folder / name) != digest:
                raise ValueError(name)
        return Part(folder, manifest["figures"])
    except (OSError, ValueError, KeyError):
        say(f"{folder / wrong} is damaged; that partition is done again")
        shutil.rmtree(folder)
        return None


def _key(partition: Partition, recipe: dict[str, Any]) -> str:
    return digest_of({**recipe, "shard": partition.digest, "row_groups": [partition.first, partition.stop]})[:32]


def _digest(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    found: str = state.hexdigest()
    return found
