"""The suffix of a file names its format, unless the source does."""

from __future__ import annotations

import pytest

from pipeline_config.ingest import (
    Arrow,
    AutoFormat,
    ConcreteFormat,
    Csv,
    Eml,
    Html,
    Json,
    JsonLines,
    Mbox,
    Parquet,
    PlainText,
    Source,
)
from tasks.ingest.resolve import format_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", PlainText(kind="text")),
        ("deep/README.MD", PlainText(kind="text")),
        ("a.html", Html(kind="html")),
        ("a.HTM.gz", Html(kind="html")),
        ("a.eml", Eml(kind="eml")),
        ("lists/a.mbox.zst", Mbox(kind="mbox")),
        ("a.csv.zst", Csv(kind="csv")),
        ("a.jsonl.gz", JsonLines(kind="jsonl")),
        ("a.ndjson", JsonLines(kind="jsonl")),
        ("a.json", Json(kind="json")),
        ("a.b.csv", Csv(kind="csv")),
        ("a.tsv.gz", Csv(kind="csv", delimiter="\t")),
        ("a.parquet", Parquet(kind="parquet")),
        ("data-00000-of-00001.arrow", Arrow(kind="arrow")),
    ],
)
def test_by_suffix(name: str, expected: ConcreteFormat) -> None:
    assert format_of(Source(name="s", path=("x",), format=AutoFormat(kind="auto")), name) == expected
    assert format_of(Source(name="s", path=("x",), format=Parquet(kind="parquet")), name) == Parquet(kind="parquet")
