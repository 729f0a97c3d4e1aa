"""Partitions: the documents in order whatever the cut, each done once, kept over a kill, done again when damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus import document, partitions, row_groups
from tasks.corpus.document import (
    document_id,
    document_table,
    read_documents,
    rows_between,
    shards,
    write_documents,
    write_sorted,
)
from tasks.corpus.row_groups import RowGroups
from tasks.runtime.artifact import Manifest
from tasks.runtime.errors import full_disk
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Context, Job
from tests.corpus.crew import Sized
from tests.corpus.test_corpus_document import digests, rows
from tests.e2e.test_disks import mounted, remount


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """500 documents in 4 shards of several row groups."""
    monkeypatch.setattr(document, "SHARD_BYTES", 4096)
    monkeypatch.setattr(document, "GROUP_ROWS", 16)
    write_documents(tmp_path / "documents", document_table(rows(500)))
    assert len(shards(tmp_path / "documents")) == 4
    return tmp_path / "documents"


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """`context(workers)`: of one and the same node, with its folder that outlives a kill."""
    (tmp_path / "work").mkdir()
    empty = {"kind": "", "fingerprint": "", "inputs": {}, "metrics": {}, "files": {}, "digest": "", "seal": ""}

    def make(workers: int = 1, events: list[dict[str, Any]] | None = None, version: int = 1) -> Context:
        recipe = Manifest(node="clean", stage="clean", version=version, config={}, **empty)
        job = Job(stage="", node="clean", fingerprint="", arguments={}, out=tmp_path / "out", work=tmp_path / "work")
        return Context(job, recipe, Settings(workers=workers), (events if events is not None else []).append)

    return make


def sizes(parts: list[partitions.Part]) -> list[int]:
    return [size for part in parts for size in json.loads((part.folder / "sizes.json").read_text())]


def calls(log: Path) -> int:
    return sum(len(path.read_text()) for path in log.iterdir())


def test_partitions_are_all_documents_in_order_whatever_their_size(documents: Path) -> None:
    whole = read_documents(documents)
    for size, least, most in ((1, 32, 64), (1000, 5, 20), (1 << 30, 4, 4)):
        cut = partitions.cut(documents, size)
        assert least <= len(cut) <= most
        batches = [batch for partition in cut for batch in partition.batches()]
        assert pa.Table.from_batches(batches).equals(whole)
        assert pa.concat_tables([partition.table() for partition in cut]).equals(whole)
        assert sum(partition.rows for partition in cut) == 500


def test_batches_are_bounded_by_bytes(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "BATCH_BYTES", 40)
    batches = [batch for partition in partitions.cut(documents) for batch in partition.batches(["id", "text"])]
    held = [[len(text.encode()) for text in batch["text"].to_pylist()] for batch in batches]
    assert all(sum(batch) <= 40 or len(batch) == 1 for batch in held)
    assert sum(map(len, held)) == 500
    assert any(len(batch) > 1 for batch in held)


def test_what_is_finished_is_kept_over_a_failure(documents: Path, context: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    cut = partitions.cut(documents, 600)
    with pytest.raises(RuntimeError, match="stopped"):
        partitions.run(context(), Sized(log, fail_at=cut[3].first), cut)
    before = calls(log)
    events: list[dict[str, Any]] = []
    found = sizes(partitions.run(context(events=events), Sized(log), cut))
    assert found == [len(text.encode()) for text in read_documents(documents)["text"].to_pylist()]
    assert calls(log) == len(cut) + 1
    assert {"event": "say", "message": f"{before - 1} of {len(cut)} partitions were finished before"} in events
    assert [event["done"] for event in events if event["event"] == "progress"][-1] == 500


def test_of_a_worker_killed_in_mid_partition_that_partition_alone_is_done_again(
    documents: Path, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "WORKER_BYTES", 1)
    log = tmp_path / "log"
    log.mkdir()
    cut = partitions.cut(documents, 2000)
    found = sizes(partitions.run(context(workers=2), Sized(log, kill_at=0), cut))
    assert found == [len(text.encode()) for text in read_documents(documents)["text"].to_pylist()]
    twice = [path.name for path in log.iterdir() if len(path.read_text()) == 2]
    assert twice == ["documents-00001-of-00004.parquet-0"]
    assert calls(log) == len(cut) + 1
    partitions.run(context(workers=2), Sized(log), cut)
    assert calls(log) == len(cut) + 1
    assert not list((tmp_path / "work" / "partitions").glob(".*")), "half a partition is left of nobody"


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
def test_a_disk_that_is_full_in_the_middle_keeps_what_is_done(
    documents: Path, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "WORKER_BYTES", 1)
    log = tmp_path / "log"
    log.mkdir()
    cut = partitions.cut(documents, 600)
    work = Sized(log, ballast=100_000)
    with mounted(tmp_path / "work" / "partitions", f"size={100_000 * len(cut) // 2}") as disk:
        with pytest.raises(OSError, match="No space left") as caught:
            partitions.run(context(workers=2), work, cut)
        assert "the disk is full" in str(full_disk(caught.value, disk))
        before = calls(log)
        finished = [path for path in disk.iterdir() if not path.name.startswith(".")]
        assert finished
        remount(disk, f"size={200_000 * len(cut)}")
        assert len(sizes(partitions.run(context(workers=1), work, cut))) == 500
        assert calls(log) == before + len(cut) - len(finished)


def test_a_damaged_part_is_named_and_done_again(documents: Path, context: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    cut = partitions.cut(documents, 600)
    parts = partitions.run(context(), Sized(log), cut)
    expected = sizes(parts)
    (parts[1].folder / "sizes.json").write_text("[1]")
    (parts[2].folder / "sizes.json").unlink()
    (parts[3].folder / partitions.MANIFEST).write_text("{")
    events: list[dict[str, Any]] = []
    assert sizes(partitions.run(context(events=events), Sized(log), cut)) == expected
    assert calls(log) == len(cut) + 3
    said = [event["message"] for event in events if event["event"] == "say"]
    assert f"{parts[1].folder}/sizes.json is damaged; that partition is done again" in said
    assert sum("is damaged" in line for line in said) == 3


def test_another_version_or_another_shard_is_other_work(documents: Path, context: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    cut = partitions.cut(documents, 1 << 30)
    partitions.run(context(), Sized(log), cut)
    partitions.run(context(version=2), Sized(log), cut)
    assert calls(log) == 2 * len(cut)
    more = document_table(rows(500))
    changed = more.set_column(
        3, more.schema.field("text"), pa.array(["x" * 9, *more["text"].to_pylist()[1:]], pa.large_string())
    )
    write_documents(documents, changed)
    partitions.run(context(), Sized(log), partitions.cut(documents, 1 << 30))
    assert calls(log) == 2 * len(cut) + 1  # three of the four shards are as they were


def test_sorted_documents_are_written_to_the_same_files(documents: Path, tmp_path: Path) -> None:
    whole = read_documents(documents)
    for name, step in (("all", 500), ("some", 7), ("one", 1)):
        tables = (whole.slice(start, step) for start in range(0, 500, step))
        assert write_sorted(tmp_path / name, tables, document.text_bytes(whole)) == 500
        assert digests(tmp_path / name) == digests(documents)
    with pytest.raises(AssertionError, match="out of order"):
        write_sorted(tmp_path / "wrong", iter([whole.slice(1, 1), whole.slice(0, 1)]), 1)


def test_no_documents_are_files_with_the_schema(tmp_path: Path) -> None:
    assert write_sorted(tmp_path, iter([]), 0) == 0
    assert read_documents(tmp_path).schema.equals(document.SCHEMA)
    assert partitions.cut(tmp_path) == []


@given(low=st.integers(0, 499), count=st.integers(1, 500))
def test_rows_between_two_ids(low: int, count: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "between"
    if not folder.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(document, "SHARD_BYTES", 4096)
            patch.setattr(document, "GROUP_ROWS", 16)
            write_documents(folder, document_table(rows(500)))
    ids = sorted(document_id("s", b"%d" % n) for n in range(500))
    high = min(499, low + count - 1)
    before, found = rows_between(shards(folder), ids[low], ids[high], ["id"])
    assert (before, found["id"].to_pylist()) == (low, ids[low : high + 1])
    beyond = bytes([255] * 16)
    assert rows_between(shards(folder), beyond, beyond)[1].num_rows == 0


@given(st.lists(st.integers(0, 40), max_size=12))
def test_row_groups_do_not_tell_how_rows_came(tmp_path_factory: pytest.TempPathFactory, counts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("groups")
    table = pa.table({"n": pa.array(range(sum(counts))), "text": [str(n) * (n % 5) for n in range(sum(counts))]})

    def batches(sizes: list[int]) -> Iterator[pa.Table]:
        start = 0
        for size in sizes:
            yield table.slice(start, size)
            start += size

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "ROWS", 16)
        for name, sizes in (("one", [sum(counts)]), ("many", counts)):
            with RowGroups(folder / name, table.schema) as file:
                for batch in batches(sizes):
                    file.write(batch)
    assert (folder / "one").read_bytes() == (folder / "many").read_bytes()
    assert pq.read_table(folder / "many").equals(table)
    footer = pq.read_metadata(folder / "many")
    assert all(footer.row_group(at).num_rows == 16 for at in range(footer.num_row_groups - 1))
