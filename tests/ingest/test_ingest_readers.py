"""Each format: what a record is, and what becomes of a damaged one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_config.ingest import Csv, Json, PlainText
from tasks.ingest.check import check_text
from tasks.ingest.readers import delimited, json_tree, plain
from tasks.ingest.readers.record import Record, Unreadable, lines
from tasks.ingest.readers.unpacked import opened
from tasks.ingest.rows import Row, rows
from tasks.runtime.errors import RefusedInput, StageFailed
from tests.ingest.sources import files_for, text_config


def read(workspace: Path, path: str, **options: Any) -> list[Row | Unreadable]:
    config = text_config(path, **options)
    files = files_for(config, workspace)
    return [row for file in files.files for row in rows(config.sources[0], file)]


def texts(found: list[Row | Unreadable]) -> list[str]:
    return [row.text if isinstance(row, Row) else f"! {row.line}: {row.reason}" for row in found]


def csv_rows(content: bytes, **options: Any) -> list[Any]:
    found = delimited.read(io.BytesIO(content), "a.csv", Csv(kind="csv", **options), 1000)
    return [list(row.value.values()) if isinstance(row, Record) else (row.line, row.reason) for row in found]


# --- lines ------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400), st.integers(1, 50))
@example(b"\xef\xbb\xbf12345\n6", 5)
@example(b"12345\n\n123456", 5)
def test_lines_lose_no_byte(content: bytes, limit: int) -> None:
    content = content.replace(b"\r", b"")
    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if content else []
    expected = expected[:-1] if content.endswith(b"\n") else expected
    found = list(lines(io.BytesIO(content), limit))
    assert len(found) == len(expected)
    for number, (got, line) in enumerate(zip(found, expected, strict=True), start=1):
        if len(line) <= limit:
            assert got == (number, line)
        else:
            assert isinstance(got, Unreadable)
            assert (got.line, got.size) == (number, len(line))


def test_a_line_of_200_mb_is_never_held() -> None:
    class Endless(io.RawIOBase):
        left = 200 << 20

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    tracemalloc.start()
    found = list(lines(io.BufferedReader(Endless(), 1 << 16), 1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(item.line, item.size) for item in found if isinstance(item, Unreadable)] == [(1, 200 << 20)]
    assert peak < 16 << 20


# --- plain text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("file", ["one\ntwo\n\n\nthree\n"]),
        ("paragraph", ["one\ntwo", "three"]),
        ("line", ["one", "two", "three"]),
    ],
)
def test_plain_text_by_unit(put: Any, tmp_path: Path, unit: str, expected: list[str]) -> None:
    put("a.txt", b"\xef\xbb\xbfone\ntwo\n\n\nthree\n")
    assert texts(read(tmp_path, "a.txt", format={"kind": "text", "unit": unit})) == expected


def test_a_paragraph_without_end_is_cut_at_a_line() -> None:
    found = list(plain.read(io.BytesIO(b"aaa\nbbb\nccc\n"), PlainText(kind="text", unit="paragraph"), 8))
    assert [(item.line, item.raw) for item in found if isinstance(item, Record)] == [(1, b"aaa\nbbb"), (3, b"ccc")]


# --- JSON -------------------------------------------------------------------------------------------------------


def test_json_lines_quarantine_one_line_each(put: Any, tmp_path: Path) -> None:
    put(
        "a.jsonl",
        b'{"text": "fine", "n": 1}\n\nnot json\n{"other": "x"}\n{"text": 5}\n{"text": "  "}\n{"text": "a\\u0000b"}\n'
        b'{"text": "\\ud800"}\n{"text": "\xff"}\n[1]\n"a string"\n{"text": null}',
    )
    assert texts(read(tmp_path, "a.jsonl")) == [
        "fine",
        "! 3: not JSON: Expecting value: line 1 column 1 (char 0)",
        "! 4: no column 'text'; there are other",
        "! 5: the text is no text: int",
        "! 6: empty text",
        "! 7: holds a NUL character",
        "! 8: holds half of a surrogate pair, which is no character",
        "! 9: not UTF-8: byte 0xff at 10",
        "! 10: a JSON list; expected an object or a string",
        "a string",
        "! 12: empty text",
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("items[*]", [{"doc": "a"}, {"doc": ["b"], "x": {"doc": "c"}}]),
        ("items[*].doc", ["a", ["b"]]),
        ("..doc", ["a", ["b"], "c", "top"]),
        ("doc", ["top"]),
        (".doc", ["top"]),
        ("items[*].x.doc", ["c"]),
        ("[*]..doc", ["a", ["b"], "c"]),
        ("items[*].doc[*]", ["b"]),
        ("nowhere.doc", []),
    ],
)
def test_json_paths(path: str, expected: list[Any]) -> None:
    tree = {"items": [{"doc": "a"}, {"doc": ["b"], "x": {"doc": "c"}}], "doc": "top"}
    assert list(json_tree.values(tree, path)) == expected


@pytest.mark.parametrize("path", ["a[", "a[0]", "a...b", "[*", "a]"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"expected key|should match pattern"):
        Json(kind="json", records=path)
    with pytest.raises(ValueError, match="expected key"):
        json_tree.steps(path)


trees = st.recursive(
    st.text(max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk"), inner, max_size=3),
    max_leaves=12,
)


@given(trees)
def test_deep_descent_finds_what_a_recursion_finds(tree: Any) -> None:
    def all_under(node: Any) -> list[Any]:
        found = []
        for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else []):
            found += [value] if key == "k" else []
            found += all_under(value)
        return found

    assert list(json_tree.values(tree, "..k")) == all_under(tree)


def test_json_file_that_is_damaged_or_without_records(put: Any, tmp_path: Path) -> None:
    put("a.json", '{"text":\n "unclosed')
    put("b.json", '{"records": []}')
    found = read(tmp_path, "*.json", format={"kind": "json", "records": "records[*]"})
    assert [row.line for row in found] == [2, 1]
    assert all(isinstance(row, Unreadable) for row in found)
    assert found[1].size == len('{"records": []}')


def test_columns_may_be_paths_and_are_joined(put: Any, tmp_path: Path) -> None:
    put("a.json", json.dumps([{"a": "one", "b": {"c": "two"}, "l": [{"x": "three"}, {"x": "four"}, {"x": None}]}]))
    found = read(tmp_path, "a.json", text=("a", "b.c", "l[*].x", "gone"), separator=" | ", id="b.c")
    assert texts(found) == ["one | two | three | four"]
    assert found[0].external_id == "two"


# --- CSV --------------------------------------------------------------------------------------------------------


def test_csv_quoting() -> None:
    content = b'text,label\r\n"a, ""b""\nc",1\r\nplain,"2"\r\n\r\nx"y,3\n'
    assert csv_rows(content) == [['a, "b"\nc', "1"], ["plain", "2"], ['x"y', "3"]]


def test_csv_damage_costs_one_line() -> None:
    content = b'text,label\nthree,cells,here\n"bad"x,1\n\xff,4\n"open,1\nfine,2\nlast,5\n'
    assert csv_rows(content) == [
        (2, "wrong number of columns: 3, expected 2"),
        (3, "not a row of CSV: ',' expected after '\"'"),
        (4, "not UTF-8: byte 0xff at 0"),
        (5, "a quote is opened and never closed"),
        ["fine", "2"],
        ["last", "5"],
    ]
    assert csv_rows(b'text,label\n"open,1\nfine,2\n"whole",3\n') == [
        (2, "not a row of CSV: ',' expected after '\"'"),
        ["fine", "2"],
        ["whole", "3"],
    ]


def test_csv_without_header_and_quotes() -> None:
    content = b'1\t0.5\tsaid "hi\n2\t0.7\tbye\n'
    assert csv_rows(content, delimiter="\t", quote="", header=False) == [["1", "0.5", 'said "hi'], ["2", "0.7", "bye"]]


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(cell, cell), max_size=8))
def test_csv_reads_what_csv_writes(table: list[tuple[str, str]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("text", "label"), *table])
    assert csv_rows(buffer.getvalue().encode()) == [list(row) for row in table]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_header_with_a_name_twice_is_refused(put: Any, tmp_path: Path, name: str, mark: str) -> None:
    put(name, f"text{mark}text\none{mark}two\n")
    said = rf"^{name}: the header has the column 'text' twice, .*Rename"
    for config in (text_config(name), text_config(name, text="other")):
        files = files_for(config, tmp_path)
        with pytest.raises(RefusedInput, match=said):
            list(rows(config.sources[0], files.files[0]))
        with pytest.raises(RefusedInput, match=said):
            check_text(config, files)


def test_columns_without_a_name_may_be_several(put: Any, tmp_path: Path) -> None:
    put("a.csv", "text,,\none,two,three\n")
    assert texts(read(tmp_path, "a.csv")) == ["one"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("nested", [False, True])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str, nested: bool) -> None:
    both = [pa.array(["one"]), pa.array(["two"])]
    table = pa.table(both, names=["text", "text"])
    if nested:
        table = pa.table({"list": pa.ListArray.from_arrays([0, 1], pa.StructArray.from_arrays(both, ["text", "text"]))})
    if name.endswith(".parquet"):
        pq.write_table(table, tmp_path / name)
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(RefusedInput, match=rf"^{name}: two columns are called 'text'.*Rename"):
        read(tmp_path, name)


def test_a_value_that_python_has_no_place_for_names_its_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one"], "at": pa.array([2**62], pa.timestamp("us"))}), tmp_path / "a.parquet")
    with pytest.raises(StageFailed, match=r"^a\.parquet, after row 0: .*exclude"):
        read(tmp_path, "a.parquet")


def test_a_key_twice_in_one_object_is_quarantined(put: Any, tmp_path: Path) -> None:
    twice = '{"text": "two", "more": [{"a": 1, "a": 2}]}'
    put("a.jsonl", '{"text": "one"}\n' + twice + '\n{"text": "x", "text": "x"}\n{"text": "last"}\n')
    put("b.json", f"[{twice}]")
    assert texts(read(tmp_path, "a.jsonl")) == [
        "one",
        "! 2: a key twice in one object: 'a'",
        "! 3: a key twice in one object: 'text'",
        "last",
    ]
    assert texts(read(tmp_path, "b.json")) == ["! 1: a key twice in one object: 'a'"]


# --- columnar and packed ----------------------------------------------------------------------------------------


def test_parquet_and_dataset_on_disk(tmp_path: Path) -> None:
    columns = {"text": ["one", None, "three"], "label": [1, 0, 1]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert texts(read(tmp_path, "a.parquet")) == ["one", "! 2: empty text", "three"]

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns, features=features)}).save_to_disk(
        str(tmp_path / "hf")
    )
    found = read(tmp_path, "hf")
    assert texts(found) == ["one", "! 2: empty text", "three"]
    assert [row.columns["label"] for row in found if isinstance(row, Row)] == ["yes", "yes"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.arrow"])
def test_a_file_cut_short_fails_with_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(b'{"text": "line"}\n' * 5000))
    elif name.endswith(".zst"):
        path.write_bytes(pa.compress(b'{"text": "line"}\n' * 5000, codec="zstd", asbytes=True))
    elif name.endswith(".parquet"):
        pq.write_table(pa.table({"text": ["line"] * 5000}), path)
    else:
        table = pa.table({"text": ["line"] * 5000})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StageFailed, match=rf"^{name}.*run again"):
        read(tmp_path, name)


def test_gzip_reads_as_the_plain_file(put: Any, tmp_path: Path) -> None:
    put("a.csv.gz", gzip.compress(b"text\nhello\n"))
    assert texts(read(tmp_path, "a.csv.gz")) == ["hello"]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_zstandard_reads_as_the_plain_file_in_one_frame_or_many(tmp_path_factory: Any, parts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("zst") / "a.zst"
    path.write_bytes(b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts))
    with opened(path, "a.zst") as content:
        assert content.read() == b"".join(parts)


def test_what_is_no_zstandard_is_named(put: Any, tmp_path: Path) -> None:
    put("a.txt.zst", b"plain text under a wrong name")
    with pytest.raises(StageFailed, match=r"^a\.txt\.zst: the zstd stream is cut short or damaged .*exclude"):
        read(tmp_path, "a.txt.zst")
