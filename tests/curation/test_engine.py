"""Clean and measure on partitions: one result whatever the cut, the workers and the order; an increment; bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus import document, partitions
from tasks.corpus.document import document_id, document_table, read_documents, write_documents
from tasks.curation import clean as clean_module
from tasks.curation import measure as measure_module
from tasks.curation.stage import clean, measure, select
from tasks.runtime.artifact import Artifact, RawCorpus
from tasks.runtime.settings import Settings

CLEAN = CleanConfig.model_validate(
    {"edits": [{"kind": "repair"}, {"kind": "html", "sources": ["docs"]}, {"kind": "whitespace"}]}
)
WORDS = [
    "bucket",
    "key",
    "the",
    "of",
    "Zürich",
    "clé",
    "policy",
    "is",
    "<b>bold</b>",
    "a\u200bb",
    "log.",
    "\n\n",
    "x  ",
]


def text(seed: int) -> str:
    random = np.random.default_rng(seed)
    return " ".join(random.choice(WORDS, random.integers(0, 60)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards and row groups so small that few documents make many partitions."""
    monkeypatch.setattr(document, "SHARD_BYTES", 8192)
    monkeypatch.setattr(document, "GROUP_ROWS", 16)


@pytest.fixture
def road(
    tmp_path: Path, lid_model: Any, labels: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SimpleNamespace]:
    """`road(texts)`: clean, measure and select texts by (source, place); `earlier` is what an earlier road made."""
    held_out = labels()

    def run(
        texts: dict[tuple[str, int], str],
        *,
        size: int = 1 << 30,
        workers: int = 1,
        shuffle: int | None = None,
        earlier: SimpleNamespace | None = None,
        lines: int = 0,
    ) -> SimpleNamespace:
        monkeypatch.setattr(partitions, "PARTITION_BYTES", size)
        monkeypatch.setattr(partitions, "WORKER_BYTES", 1)
        base = tmp_path / f"road{len(list(tmp_path.glob('road*')))}"
        rows = [
            {
                "id": document_id(source, b"%d" % place),
                "source": source,
                "text": text,
                "metadata": f'{{"line": {place + lines}}}',
            }
            for (source, place), text in texts.items()
        ]
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(rows)
        write_documents(base / "raw" / "documents", document_table(rows))
        made = SimpleNamespace(events=[])
        made.raw = RawCorpus(node="ingest.corpus", fingerprint=base.name, path=base / "raw")
        for stage, arguments in (
            (clean, lambda: (CLEAN, made.raw)),
            (measure, lambda: (MeasureConfig(), made.clean, lid_model)),
            (select, lambda: (SelectConfig(accept_losses=("exact", "word_count")), made.clean, made.measure, held_out)),
        ):
            before: Artifact | None = getattr(earlier, stage.name, None)
            bound = stage.bind(*arguments())
            out, work = base / stage.name, base / f"{stage.name}-work"
            out.mkdir()
            work.mkdir()
            job = stage.job(stage.name, bound, out, work, before.path if before else None)
            setattr(made, stage.name, stage.execute(job, made.events.append, Settings(workers=workers)))
        return made

    return run


def digests(made: SimpleNamespace) -> tuple[str, ...]:
    return made.clean.digest, made.measure.digest, made.select.digest


def corpus(count: int = 200) -> dict[tuple[str, int], str]:
    return {(("docs", "notes")[seed % 2], seed): text(seed % 150) for seed in range(count)}


@pytest.mark.usefixtures("small")
def test_one_result_for_any_cut_and_order(road: Callable[..., SimpleNamespace]):
    texts = corpus()
    found = [road(texts), road(texts, size=1, shuffle=1)]
    raw = found[0].raw.path / "documents"
    assert len(document.shards(raw)) < len(partitions.cut(raw, 1))
    assert digests(found[0]) == digests(found[1])


@pytest.mark.usefixtures("small")
@pytest.mark.timeout(120)  # six processes are started
def test_one_result_for_any_number_of_workers(road: Callable[..., SimpleNamespace]):
    texts = corpus(120)
    assert digests(road(texts, size=6000, workers=3, shuffle=2)) == digests(road(texts))


@pytest.mark.usefixtures("small")
def test_an_increment_works_on_what_is_new_alone(road: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch):
    base = corpus()
    added = {("docs", 1000 + seed): text(5000 + seed) for seed in range(20)}
    grown = {**base, **added, ("notes", 1): "changed, under the id that it had"}
    del grown["docs", 2]  # and one is gone
    earlier = road(base, size=6000)
    full = road(grown, lines=7)
    cleaned: list[str] = []
    measured: list[str] = []
    apply_batch, statistics = clean_module.apply_batch, measure_module.statistics
    monkeypatch.setattr(clean_module, "apply_batch", lambda *a: cleaned.extend(a[2]) or apply_batch(*a))
    monkeypatch.setattr(measure_module, "statistics", lambda texts: measured.extend(texts) or statistics(texts))
    incremental = road(grown, size=9000, earlier=earlier, lines=7)
    assert incremental.clean.digest == full.clean.digest  # measures: under the state of the earlier (test_increments)
    fresh = {*added.values(), "changed, under the id that it had"}
    assert sorted(cleaned) == sorted([*added.values(), "changed, under the id that it had"])
    assert 0 < len(measured) <= len(cleaned)
    assert fresh >= set(cleaned)
    said = [event["message"] for event in incremental.events if event["event"] == "say"]
    assert sum("were taken from there" in line for line in said) == 2
    assert len(measured) == len(set(measured)), "each once"


@pytest.mark.usefixtures("small")
def test_an_increment_of_nothing_and_of_everything(road: Callable[..., SimpleNamespace]):
    earlier = road(corpus(40))
    again = road(corpus(40), earlier=earlier)
    for folder, name in (("measure", measure_module.TABLE), ("select", "ledger.parquet")):
        assert pq.read_table(getattr(again, folder).path / name).equals(
            pq.read_table(getattr(earlier, folder).path / name)
        )
    other = {("other", seed): text(seed + 999) for seed in range(40)}
    assert digests(road(other, earlier=earlier)) == digests(road(other))


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ([text(1) + " and more of the same policy for all of them"] * 200, 1),
        (["aaaaaaaaaa" * 50_000, text(7) + " the log of the bucket is the key of the policy"], None),
        ([chr(0x4E00 + n % 500) for n in range(3000)] + ["the log of it is the key"], 1),
        (["\ufffd\ufffe\x00\ud7ff\ue000" * 30, "e\u0301" * 400, "\u202e" * 50, "the log of it all. " * 9], None),
    ],
    ids=["all duplicates", "one repeated character", "very many tiny documents", "garbage"],
)
def test_bad_input_is_accounted_for(road: Callable[..., SimpleNamespace], texts: list[str], kept: int | None):
    made = road({("notes", place): text for place, text in enumerate(texts)})
    account = made.select.metrics["account"]
    assert account["documents_in"] == made.clean.metrics["account"]["documents_kept"]
    assert account["documents_kept"] + account["documents_dropped"] == account["documents_in"]
    if kept is not None:
        assert account["documents_kept"] == kept


def test_a_partition_without_documents(tmp_path: Path):
    """A shard may be empty: its part is, too, and says nothing."""
    write_documents(tmp_path / "documents", [])
    shard = document.shards(tmp_path / "documents")[0]
    pq.write_table(document.SCHEMA.empty_table(), shard)
    partition = partitions.Partition(shard, 0, pq.read_metadata(shard).num_row_groups, 0, 0, "")
    figures = clean_module.Cleaning(CLEAN)(partition, tmp_path)
    assert figures["account"]["documents_in"] == 0
    assert pq.read_table(tmp_path / "documents.parquet").schema.equals(document.SCHEMA)


@pytest.mark.usefixtures("small")
def test_emptied_documents_and_their_partition_stay_in_the_account(road: Callable[..., SimpleNamespace]):
    texts = {("docs", place): "<p></p>" if place % 2 else f"the text number {place} of it" for place in range(200)}
    made = road(texts, size=1)
    account = made.clean.metrics["account"]
    assert (account["documents_in"], account["documents_kept"], account["documents_dropped"]) == (200, 100, 100)
    assert account["bytes_dropped"] == 700
    html = next(edit for edit in made.clean.metrics["edits"] if edit["edit"] == "html")
    assert html == {"edit": "html", "documents": 100, "cut": 0, "inserted": 0, "emptied": 100}
    cuts = pq.read_table(made.clean.path / "cuts.parquet")
    assert cuts["emptied"].to_pylist() == [True] * 100
    assert cuts["id"].to_pylist() == sorted(cuts["id"].to_pylist())
    ids = read_documents(made.clean.path / "documents", ["id"])["id"]
    assert pq.read_table(made.measure.path / "measures/measures.parquet", columns=["id"])["id"].equals(
        pa.chunked_array(ids.chunks)
    )


@pytest.mark.long
def test_one_document_of_100_megabytes(road: Callable[..., SimpleNamespace]):
    random = np.random.default_rng(1)
    words = np.array([*"abcdefgh", "bucket", "key", "the", "of", "policy", "storage", "network", "access"])
    long = "\n".join(" ".join(words[random.integers(0, len(words), 14)]) for _ in range(1_900_000))
    assert len(long) > 100_000_000
    made = road({("notes", 0): long, ("notes", 1): "the log of the bucket is the key of the policy"})
    assert made.clean.metrics["account"]["bytes_kept"] > 100_000_000
    assert made.select.metrics["account"]["documents_in"] == 2


@pytest.mark.long
def test_a_million_tiny_documents(road: Callable[..., SimpleNamespace]):
    made = road({("notes", place): f"the {place} of it" for place in range(1_000_000)})
    account = made.select.metrics["account"]
    assert account["documents_in"] == account["documents_kept"] == 1_000_000
