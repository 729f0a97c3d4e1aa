"""What would take memory or time without end is refused or quarantined with a sentence."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_config.ingest import Csv, Json
from tasks.ingest.readers import columnar, delimited, json_lines, json_tree, mail
from tasks.ingest.readers.arrow_messages import unpacked_bytes
from tasks.ingest.readers.record import Record, Unreadable
from tasks.ingest.rows import Row, records, rows
from tasks.runtime.errors import RefusedInput, StageFailed
from tests.ingest.sources import files_for, text_config

LIMIT = 8 << 20


def read(workspace: Path, path: str, **options: Any) -> list[Row | Unreadable]:
    config = text_config(path, **options)
    return [row for file in files_for(config, workspace).files for row in rows(config.sources[0], file)]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.zst"])
def test_a_decompression_bomb_is_refused_and_never_held(put: Any, tmp_path: Path, name: str) -> None:
    zeros = b"0" * (80 << 20)
    put(name, gzip.compress(zeros, 9) if name.endswith(".gz") else pa.compress(zeros, codec="zstd", asbytes=True))
    tracemalloc.start()
    with pytest.raises(
        RefusedInput, match=rf"^{name}: \d+ packed bytes give 6[45] MiB or more, over 250 times .*exclude"
    ):
        read(tmp_path, name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * LIMIT  # 80 MiB and more if it were held


def test_a_small_file_of_one_repeated_line_is_no_bomb(put: Any, tmp_path: Path) -> None:
    content = b"the same line again and again\n" * 10_000  # 300 kB from 1 kB
    put("a.txt.gz", gzip.compress(content))
    assert len(read(tmp_path, "a.txt.gz", format={"kind": "text", "unit": "line"})) == 10_000


def test_a_parquet_bomb_is_refused_by_its_footer(tmp_path: Path) -> None:
    table = pa.table({"text": ["x" * (1 << 20) + str(number) for number in range(70)]})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(RefusedInput, match=r"^a\.parquet: \d+ packed bytes give 70 MiB or more"):
        read(tmp_path, "a.parquet")


def long_texts(count: int) -> list[str]:
    return [f"{'a word ' * (1 << 17)}{number % 2}" for number in range(count)]  # 0.9 MiB each, of two kinds


def dictionaries(values: list[str]) -> pa.DictionaryArray:
    return pa.array(values).dictionary_encode()


SHARED = {
    "text": pa.array,
    "bytes": lambda values: pa.array([value.encode() for value in values]),
    "large": lambda values: pa.array(values, pa.large_string()),
    "fixed": lambda values: pa.array([value.encode() for value in values], pa.binary(len(values[0]))),
    "lists": lambda values: pa.array([[value] for value in values]),
    "objects": lambda values: pa.array([{"inner": [{"text": value}]} for value in values]),
    "dictionary": dictionaries,
    "in lists": lambda values: pa.ListArray.from_arrays(list(range(len(values) + 1)), dictionaries(values)),
}
STREAMED = {
    "view": lambda values: pa.array(values, pa.string_view()),
    "runs": lambda values: pa.RunEndEncodedArray.from_arrays([len(values) // 2, len(values)], values[:2]),
    "views of lists": lambda values: pa.ListViewArray.from_arrays(
        pa.array([0] * len(values), pa.int32()), pa.array([1] * len(values), pa.int32()), pa.array(values[:1])
    ),
}


def refused_within(workspace: Path, name: str) -> None:
    """While few rows are held."""
    config = text_config(name)
    [file] = files_for(config, workspace).files
    found = iter(records(config.sources[0], file))
    tracemalloc.start()
    with pytest.raises(RefusedInput, match=rf"^{name}: \d+ packed bytes give \d+ MiB or more, .*exclude"):
        deque(found, maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 130 << 20  # of 140 MiB


@pytest.mark.parametrize("kind", SHARED)
def test_values_that_a_parquet_file_holds_once_are_counted_by_row(tmp_path: Path, kind: str) -> None:
    table = pa.table({"text": SHARED[kind](long_texts(160))})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    footer = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    assert footer.total_byte_size < 3 << 20  # of 140 MiB: the footer counts what the dictionary holds
    refused_within(tmp_path, "a.parquet")


def test_prefixes_that_a_parquet_file_holds_once_are_counted_by_row(tmp_path: Path) -> None:
    table = pa.table({"text": sorted(long_texts(160))})
    pq.write_table(
        table,
        tmp_path / "a.parquet",
        compression="zstd",
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    )
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).total_byte_size < 3 << 20
    refused_within(tmp_path, "a.parquet")


@pytest.mark.parametrize("kind", SHARED | STREAMED)
@pytest.mark.parametrize("batch", [8, 160])
def test_a_packed_arrow_stream_is_counted_as_it_unpacks(tmp_path: Path, kind: str, batch: int) -> None:
    table = pa.table({"text": (SHARED | STREAMED)[kind](long_texts(160))})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table, max_chunksize=batch)
    refused_within(tmp_path, "a.arrow")


@given(
    st.lists(st.lists(st.text(max_size=200), max_size=30), min_size=1, max_size=4),
    st.sampled_from([None, "zstd", "lz4"]),
    st.booleans(),
)
def test_the_size_of_a_stream_is_known_before_it_is_unpacked(
    tmp_path_factory: Any, batches: list[list[str]], codec: str | None, encoded: bool
) -> None:
    path = tmp_path_factory.mktemp("stream") / "a.arrow"
    arrays = [pa.array(batch, pa.string()) for batch in batches]
    tables = [pa.record_batch({"text": array.dictionary_encode() if encoded else array}) for array in arrays]

    def stream(codec: str | None) -> bytes:
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_stream(sink, tables[0].schema, options=options) as writer:
            for batch in tables:
                writer.write_batch(batch)
        return bytes(sink.getvalue())

    path.write_bytes(stream(None))
    plain = sum(message.body.size for message in pa.ipc.MessageReader.open_stream(path.read_bytes()) if message.body)
    assert unpacked_bytes(path) == plain
    path.write_bytes(stream(codec))
    padding = 7 * sum(5 if encoded else 3 for _ in tables)  # plain buffers are padded to 8 bytes
    assert plain - padding <= unpacked_bytes(path) <= plain + padding


def test_an_arrow_stream_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    table = pa.table({"text": long_texts(160)})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    del table
    before = pa.total_allocated_bytes()
    with pytest.raises(RefusedInput, match=r"^a\.arrow: \d+ packed bytes give 140 MiB or more"):
        read(tmp_path, "a.arrow")
    assert pa.total_allocated_bytes() <= before


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=12), st.integers(0, 600))
def test_a_damaged_stream_is_read_or_told_of(tmp_path_factory: Any, noise: bytes, place: int) -> None:
    path, sink = tmp_path_factory.mktemp("stream") / "a.arrow", pa.BufferOutputStream()
    batch = pa.record_batch({"text": ["one", "two"]})
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    whole = bytes(sink.getvalue())
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with suppress(StageFailed, RefusedInput):
        list(columnar.read(path, "a.arrow", "arrow", LIMIT))


def test_short_values_and_columns_without_any_are_no_bomb(tmp_path: Path) -> None:
    rows = 20_000
    sparse = {f"a column with a long name {number}": pa.nulls(rows, pa.string()) for number in range(150)}
    table = pa.table({"text": pa.array(["yes", "no"] * (rows // 2)), **sparse})
    pq.write_table(table, tmp_path / "a.parquet")
    assert len(read(tmp_path, "a.parquet")) == rows  # 90 MB of names and nulls if they were counted


@given(st.lists(st.text(max_size=300), min_size=1, max_size=30))
def test_the_size_of_a_dictionary_is_read_from_its_page(tmp_path_factory: Any, values: list[str]) -> None:
    path = tmp_path_factory.mktemp("dictionary") / "a.parquet"
    pq.write_table(pa.table({"text": values}), path)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    # PLAIN: four bytes of length before each distinct value (Parquet format, Encodings.md)
    assert columnar._dictionary_bytes(path, column) == sum(4 + len(value.encode()) for value in set(values))


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one"]}), tmp_path / "a.parquet")

    def without_memory(*_: Any, **__: Any) -> Any:
        raise pa.ArrowMemoryError("malloc of size 5905580032 failed")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", without_memory)
    with pytest.raises(
        RefusedInput, match=r"^a\.parquet, after row 0: what \d+ packed bytes give .* memory, .*exclude"
    ):
        read(tmp_path, "a.parquet")


@pytest.mark.parametrize(("levels", "readable"), [(200, True), (201, False), (100_000, False)])
def test_json_is_read_to_200_levels(levels: int, readable: bool) -> None:
    deep = b'{"text": "x", "deep": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    by_line = list(json_lines.read(io.BytesIO(deep), LIMIT))
    by_file = list(json_tree.read(io.BytesIO(deep), Json(kind="json"), LIMIT))
    for found in (by_line, by_file):
        assert [isinstance(item, Record) for item in found] == [readable]
        assert readable or found[0].reason == "nested too deep: JSON of more than 200 levels"  # type: ignore[union-attr]  # then it is unreadable


@given(st.text(alphabet='[]{}"\\a', max_size=30), st.integers(195, 205))
def test_brackets_within_strings_are_no_levels(text: str, levels: int) -> None:
    import json

    tree: Any = text
    for _ in range(levels):
        tree = [tree]
    assert json_tree.too_deep(json.dumps([tree, text]).encode()) == (levels + 1 > 200)


@pytest.mark.parametrize("line", [b'a ""quoted"" word\n', b'","\n'])
def test_a_csv_row_of_many_quoted_lines_takes_linear_time(line: bytes) -> None:
    def once(count: int) -> float:
        content = b'a\n"x\n' + line * count + b'"\n'
        start = time.thread_time()
        assert len(list(delimited.read(io.BytesIO(content), "a.csv", Csv(kind="csv"), LIMIT))) == 1
        return time.thread_time() - start

    def seconds(count: int) -> float:
        return min(once(count) for _ in range(3))  # whatever else the process does, such as collecting garbage

    assert seconds(20_000) < 12 * max(seconds(5_000), 0.01)  # 4 times the lines; quadratic would be 16 times


def test_mime_is_read_to_50_containers() -> None:
    def nested(levels: int) -> bytes:
        heads = [f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(levels)]
        ends = [f"\n--b{n}--\n" for n in reversed(range(levels))]
        return "".join(["Subject: deep\n", *heads, "\nthe text\n", *ends]).encode()

    (found,) = mail.read_one(io.BytesIO(nested(50)), LIMIT)
    assert isinstance(found, Record)
    assert found.value["text"] == "the text"  # type: ignore[index]  # a mapping, of this reader
    (found,) = mail.read_one(io.BytesIO(nested(3000)), LIMIT)
    assert isinstance(found, Unreadable)
    assert found.reason == "MIME nested too deep or too often: 3000 containers, at most 50"


def test_a_header_without_end_is_quarantined() -> None:
    (found,) = mail.read_one(io.BytesIO(b"Subject: " + b"=?a?q?x" * 500_000 + b"\n\nbody"), LIMIT)
    assert isinstance(found, Unreadable)
    assert found.reason == "too long: header subject of 3500000 characters, at most 10000"


def test_html_of_any_depth_is_taken_to_text(put: Any, tmp_path: Path) -> None:
    from tasks.corpus.markup import html_to_text

    put("a.html", "<div>" * 100_000 + "deep" + "</div>" * 100_000)
    (row,) = read(tmp_path, "a.html")
    assert isinstance(row, Row)
    assert html_to_text(row.text) == "deep"
