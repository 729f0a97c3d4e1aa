"""Documents on disk: sorted, sharded, the same bytes whatever the order they came in."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus import document
from tasks.corpus.document import (
    SCHEMA,
    count_documents,
    document_id,
    document_table,
    iter_documents,
    read_documents,
    reference,
    shards,
    text_bytes,
    text_digest,
    write_documents,
)


def rows(count: int) -> list[dict]:
    return [{"id": document_id("s", b"%d" % n), "source": "s", "text": f"é{n}" * (n % 7 + 1)} for n in range(count)]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_id_is_sha256_over_source_copy_and_record() -> None:
    by_hand = hashlib.sha256(b"4:docs0:a record").digest()[:16]
    assert document_id("docs", b"a record") == by_hand
    assert reference(by_hand) == "doc:" + by_hand.hex()


@given(st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=4), st.integers(0, 12)), unique=True, max_size=30))
def test_ids_differ_where_source_record_or_copy_differ(keys: list[tuple[str, bytes, int]]) -> None:
    assert len({document_id(*key) for key in keys}) == len(keys)


def test_text_digest_is_xxh3_128_of_utf8() -> None:
    assert text_digest("naïve") == xxhash.xxh3_128("naïve".encode()).digest()


def test_order_and_batching_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "SHARD_BYTES", 4096)
    everything = rows(3000)
    assert write_documents(tmp_path / "a", document_table(everything)) == 3000
    monkeypatch.setattr(document, "RUN_BYTES", 2000)  # many spilt runs
    shuffled = random.Random(1).sample(everything, len(everything))
    batches = (document_table(shuffled[start : start + 77]) for start in range(0, 3000, 77))
    write_documents(tmp_path / "b", batches)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(shards(tmp_path / "a")) > 2
    read = read_documents(tmp_path / "b")
    ids = read["id"].to_pylist()
    assert ids == sorted(row["id"] for row in everything)
    texts = {row["id"]: row["text"] for row in everything}
    assert read["text"].to_pylist() == [texts[identity] for identity in ids]
    assert read.schema.equals(SCHEMA)
    assert count_documents(tmp_path / "b") == 3000
    assert text_bytes(read) == sum(len(text.encode()) for text in texts.values())
    assert pa.Table.from_batches(iter_documents(tmp_path / "b", rows=100)).equals(read)
    assert read_documents(tmp_path / "b", ["id"]).schema.names == ["id"]


def test_two_documents_of_one_id_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="one id"):
        write_documents(tmp_path, document_table(rows(1) + rows(1)))


def test_no_documents_are_a_file_with_the_schema(tmp_path: Path) -> None:
    assert write_documents(tmp_path, []) == 0
    assert read_documents(tmp_path).schema.equals(SCHEMA)


def test_text_bytes_of_a_slice() -> None:
    table = document_table(rows(10))
    assert text_bytes(table.slice(3, 2)) == sum(len(row["text"].encode()) for row in rows(10)[3:5])
