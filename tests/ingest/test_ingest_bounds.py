"""What would take memory or time without end is refused or quarantined with a sentence."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_config.ingest import Csv, Json
from tasks.ingest.readers import delimited, json_lines, json_tree, mail
from tasks.ingest.readers.record import Record, Unreadable
from tasks.ingest.rows import Row, rows
from tasks.runtime.errors import RefusedInput
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
    def seconds(count: int) -> float:
        content = b'a\n"x\n' + line * count + b'"\n'
        start = time.process_time()
        assert len(list(delimited.read(io.BytesIO(content), Csv(kind="csv"), LIMIT))) == 1
        return time.process_time() - start

    seconds(100)
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
