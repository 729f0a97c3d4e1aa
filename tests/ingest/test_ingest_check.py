"""What is refused before any stage runs: what, where, and the remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.ingest.check import check_labels, check_text
from tasks.runtime.errors import RefusedInput, StageFailed
from tests.ingest.sources import files_for, labels_config, text_config

GOOD = "text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(10))


def refusal(check: Any, config: Any, workspace: Path) -> str:
    with pytest.raises(RefusedInput) as raised:
        check(config, files_for(config, workspace))
    return str(raised.value)


def test_good_labels_and_texts_pass(put: Any, tmp_path: Path) -> None:
    put("a.csv", GOOD)
    put("b.jsonl.gz", gzip.compress(b'{"text": "fine", "key": 1}\n{"text": "too", "key": 2}\nbroken\n'))
    labels, text = labels_config("a.csv"), text_config("b.jsonl.gz", id="key")
    check_labels(labels, files_for(labels, tmp_path))
    check_text(text, files_for(text, tmp_path))


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "a.csv (source 'labelled') is empty; expected text. Fill it, or leave it out."),
        ("text,label\n", {}, "a.csv: no text at all among 0 rows"),
        (
            "text,lable\nx,a\n",
            {},
            "a.csv (source 'labelled', label): there is no column 'label'; there are: text, lable. "
            "Did you mean 'lable'?",
        ),
        ("txt,label\nx,a\n", {}, "there is no column 'text'; there are: txt, label. Did you mean 'txt'?"),
        (
            "text,label\nx,a\ny,a\n",
            {},
            "only one label, 'a', is left after ingest.labels.keep, drop and min_label_count=1; expected two labels or "
            "more. The data hold 1: a (2).",
        ),
        (
            GOOD + "alone,c\n",
            {},
            "a.csv, line 12: label 'c' stands on one row only; it cannot be both learnt and tested. Give it more rows, "
            "or leave such labels out: ingest.labels.min_label_count: 2.",
        ),
        (GOOD, {"min_label_count": 6}, "no label is left after"),
        (GOOD, {"drop": "iam"}, "ingest.labels.drop names 'iam', which is no label of the data."),
        (GOOD, {"keep": ("a", "bb")}, "ingest.labels.keep names 'bb', which is no label of the data."),
        (
            "text,label,key\nx,a,1\ny,b,2\nz,a,1\n",
            {"source": {"id": "key"}},
            "a.csv, line 4: the id '1' stands already in line 2; ids must differ within a source.",
        ),
    ],
)
def test_labels_refused(put: Any, tmp_path: Path, content: str, options: dict[str, Any], message: str) -> None:
    put("a.csv", content)
    assert message in refusal(check_labels, labels_config("a.csv", **options), tmp_path)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "alone,iam,test\n",
            "a.csv, line 8: label 'iam' stands only in the test split; a model cannot learn it.\n"
            "  Give it training rows, or leave it out: ingest.labels.drop: [iam]",
        ),
        ("odd,a,tset\n", "a.csv, line 8: the split is 'tset'; expected train, validation or test"),
        ("none,a,\n", "a.csv, line 8: the split is None; expected train, validation or test"),
    ],
)
def test_given_split_refused(put: Any, tmp_path: Path, extra: str, message: str) -> None:
    rows = "".join(f"text {n},{'ab'[n % 2]},{'test' if n > 3 else 'train'}\n" for n in range(6))
    put("a.csv", "text,label,part\n" + rows + extra + extra.replace("odd", "x").replace("alone", "alone too"))
    config = labels_config("a.csv", source={"split_column": "part"}, split={"kind": "given"})
    assert message in refusal(check_labels, config, tmp_path)


def test_given_split_without_test_rows(put: Any, tmp_path: Path) -> None:
    put("a.csv", GOOD)
    config = labels_config("a.csv", source={"split": "train"}, split={"kind": "given"})
    assert "no example of the test split (there are 10 in all)" in refusal(check_labels, config, tmp_path)


def test_plain_text_has_no_labels(put: Any, tmp_path: Path) -> None:
    put("a.txt", "text")
    assert "text alone, which has no column for the label" in refusal(check_labels, labels_config("a.txt"), tmp_path)


def test_one_empty_file_among_labelled_ones(put: Any, tmp_path: Path) -> None:
    put("in/a.csv", GOOD)
    put("in/b.csv", "")
    assert "in/b.csv (source 'labelled') is empty" in refusal(check_labels, labels_config("in"), tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.txt", "", {}, "a.txt (source 'docs') is empty"),
        ("a.txt", " \n ", {}, "no text at all in 1 records; most often: empty text."),
        (
            "a.jsonl",
            '{"body": "x", "n": 1}\n',
            {},
            "a.jsonl (source 'docs', text): there is no column 'text'; there are:",
        ),
        ("a.jsonl", "not json\n" * 3, {}, "no text at all in 3 records; most often: not JSON"),
        ("a.json", '[{"text": "x"}]', {"metadata": "lang"}, "metadata): there is no column 'lang'; there are: text."),
        ("a.json", '{"a": {"b": 1}}', {"format": {"kind": "json", "records": "c[*]"}}, "no record at 'c[*]'"),
        ("a.csv", "text\nx\n", {"text": ("text", "title")}, "there is no column 'title'; there are: text."),
        (
            "a.jsonl",
            '{"text": "x", "k": 1}\n{"text": "y", "k": 1}\n',
            {"id": "k"},
            "a.jsonl, line 2: the id '1' stands already in line 1",
        ),
    ],
)
def test_text_refused(put: Any, tmp_path: Path, name: str, content: str, options: dict[str, Any], message: str) -> None:
    put(name, content)
    assert message in refusal(check_text, text_config(name, **options), tmp_path)


def test_columns_of_parquet_are_checked_from_its_schema(tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "a.parquet")
    assert "there is no column 'text'; there are: content." in refusal(check_text, text_config("a.parquet"), tmp_path)


def test_ids_repeated_across_files_name_both(put: Any, tmp_path: Path) -> None:
    put("in/a.jsonl", '{"text": "x", "k": "same"}')
    put("in/b.jsonl", '{"text": "y", "k": "same"}')
    message = refusal(check_text, text_config("in", id="k"), tmp_path)
    assert "in/b.jsonl, line 1: the id 'same' stands already in in/a.jsonl, line 1" in message


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_id_repeated_far_down_names_both_lines(put: Any, tmp_path: Path, kind: str) -> None:
    ids = [f"k{number}" for number in range(3000)]
    ids[2500] = ids[1700]
    if kind == "parquet":
        pq.write_table(pa.table({"text": ["x"] * len(ids), "k": ids}), tmp_path / "a.parquet")
    elif kind == "csv":
        put("a.csv", "text,k\n" + "".join(f"x,{item}\n" for item in ids))
    else:
        put("a.jsonl", "".join(f'{{"text": "x", "k": "{item}"}}\n' for item in ids))
    first = 1 + (kind == "csv")
    message = refusal(check_text, text_config(f"a.{kind}", id="k"), tmp_path)
    assert f"a.{kind}, line {2500 + first}: the id 'k1700' stands already in line {1700 + first}" in message


def test_a_key_that_only_some_records_have_is_no_missing_column(put: Any, tmp_path: Path) -> None:
    put("a.jsonl", "\n".join(json.dumps({"text": "x"} | ({"title": "y"} if n == 5 else {})) for n in range(9)))
    config = text_config("a.jsonl", text=("title", "text"))
    check_text(config, files_for(config, tmp_path))


def test_one_empty_text_among_others_is_no_reason_to_refuse(put: Any, tmp_path: Path) -> None:
    put("in/a.txt", "")
    put("in/b.txt", "text")
    config = text_config("in")
    check_text(config, files_for(config, tmp_path))


def test_damaged_gzip_fails_and_is_not_refused(put: Any, tmp_path: Path) -> None:
    put("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 9999)[:50])
    config = text_config("a.jsonl.gz")
    with pytest.raises(StageFailed, match=r"^a\.jsonl\.gz: the gzip stream is cut short"):
        check_text(config, files_for(config, tmp_path))
