"""From files to documents: identity, accounts, quarantine, the same bytes each time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_config.ingest import Source, TextConfig
from tasks.corpus.account import Account
from tasks.corpus.document import document_id, read_documents, text_digest
from tasks.ingest.corpus import Identity
from tasks.ingest.stage import ingest_text
from tasks.runtime.errors import StageFailed
from tests.ingest.sources import files_for, text_config


def ingest(run_stage: Any, workspace: Path, config: TextConfig) -> Any:
    return run_stage(ingest_text, config, files_for(config, workspace), node="ingest.corpus")


LINES = st.lists(
    st.sampled_from(
        [
            b'{"text": "one"}',
            b'{"text": "one"}',
            b'{"text": "two", "id": 7}',
            b'{"text": "\xc3\xa9\\u00e9"}',
            b'{"text": ""}',
            b'{"text": "\xff"}',
            b'{"text": "nul\\u0000"}',
            b'{"wrong": 1}',
            b"{",
            b'{"text": "' + b"x" * 90 + b'"}',
        ]
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(LINES)
def test_accounts_balance_whatever_comes(run_stage: Any, put: Any, tmp_path: Path, lines: list[bytes]) -> None:
    content = b"\n".join([*lines, b'{"text": "kept"}'])
    put("a.jsonl", content)
    artifact = ingest(run_stage, tmp_path, text_config("a.jsonl", max_record_bytes=80))
    account = Account(**artifact.metrics["account"]).check()
    documents = read_documents(artifact.path / "documents")
    quarantine = pq.read_table(artifact.path / "quarantine.parquet")
    assert account.documents_in == len(lines) + 1
    assert account.bytes_in == len(content) - content.count(b"\n")
    assert account.documents_kept == documents.num_rows
    assert account.documents_quarantined == quarantine.num_rows == sum(artifact.metrics["quarantined"].values())
    assert account.bytes_kept == sum(len(text.encode()) for text in documents["text"].to_pylist())
    assert account.bytes_quarantined == sum(quarantine["bytes"].to_pylist())
    good = [line for line in lines if line in (b'{"text": "one"}', b'{"text": "two", "id": 7}') or b"u00e9" in line]
    assert documents.num_rows == len(good) + 1


@given(st.lists(st.binary(max_size=2), max_size=20), st.lists(st.binary(max_size=2), max_size=5), st.integers(0, 20))
def test_inserting_records_changes_no_other_id(records: list[bytes], more: list[bytes], place: int) -> None:
    def ids(content: list[bytes]) -> Counter[bytes]:
        identity = Identity()
        return Counter(identity("s", record) for record in content)

    before = ids(records)
    after = ids(records[:place] + more + records[place:])
    assert not before - after
    assert max(after.values(), default=1) == 1


def test_ids_count_copies(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.txt", "same\n\nother\n\nsame")
    artifact = ingest(run_stage, tmp_path, text_config("a.txt", format={"kind": "text", "unit": "paragraph"}))
    documents = read_documents(artifact.path / "documents").to_pylist()
    assert {row["id"]: row["text"] for row in documents} == {
        document_id("docs", b"same", 0): "same",
        document_id("docs", b"same", 1): "same",
        document_id("docs", b"other", 0): "other",
    }
    assert all(row["text_digest"] == text_digest(row["text"]) for row in documents)


def test_quarantine_says_file_line_reason_and_excerpt(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("in/a.jsonl", b'{"text": "fine"}\n{"text": "caf\xe9"}\n' + b"x" * 5000 + b"\n")
    put("in/b.txt", b"")
    artifact = ingest(run_stage, tmp_path, text_config("in", max_record_bytes=1000))
    rows = pq.read_table(artifact.path / "quarantine.parquet").to_pylist()
    assert [(row["file"], row["line"], row["bytes"]) for row in rows] == [
        ("in/a.jsonl", 2, 16),
        ("in/a.jsonl", 3, 5000),
        ("in/b.txt", 1, 0),
    ]
    assert rows[0]["excerpt"] == '{"text": "caf\\xe9"}'[:200]
    assert rows[0]["reason"] == "not UTF-8: byte 0xe9 at 13"
    assert len(rows[1]["excerpt"]) == 200
    assert artifact.metrics["quarantined"] == {"too long": 1, "not UTF-8": 1, "the file is empty": 1}


def test_metadata_tells_where_a_document_comes_from(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.csv", "key,text,licence\nk1,hello,MIT\n")
    artifact = ingest(run_stage, tmp_path, text_config("a.csv", id="key", metadata="licence"))
    [row] = read_documents(artifact.path / "documents").to_pylist()
    assert row["external_id"] == "k1"
    assert json.loads(row["metadata"]) == {"file": "a.csv", "line": 2, "columns": {"licence": "MIT"}}


def test_metadata_tells_how_long_joined_fields_are(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put(
        "a.jsonl",
        '{"q": "Où?", "options": ["yes", "", "👍 no"], "a": null}\n{"q": "", "options": ["one"], "a": null}\n',
    )
    config = text_config("a.jsonl", text=["q", "options", "a"])
    found = read_documents(ingest(run_stage, tmp_path, config).path / "documents").to_pylist()
    told = {row["text"]: json.loads(row["metadata"]).get("fields") for row in found}
    assert told == {"Où?\n\nyes\n\n👍 no": [3, 3, 4], "one": None}


def test_same_input_same_bytes_wherever_it_lies(run_stage: Any, put: Any, tmp_path: Path) -> None:
    for place in ("here", "there"):
        put(f"{place}/in/b.txt", "second")
        put(f"{place}/in/a.md", "first")
    config = text_config("in")
    one, other = (ingest(run_stage, tmp_path / place, config) for place in ("here", "there"))
    assert one.digest == other.digest
    assert one.fingerprint == other.fingerprint


def test_moving_the_path_keeps_the_fingerprint_and_renaming_a_source_does_not(put: Any, tmp_path: Path) -> None:
    put("a.txt", "text")
    config = text_config("a.txt")
    files = files_for(config, tmp_path)
    spelt_otherwise = text_config(str(tmp_path / "a.txt"), exclude="*.pdf")
    recipe = ingest_text.fingerprint({"config": config, "files": files})
    again = ingest_text.fingerprint({"config": spelt_otherwise, "files": files_for(spelt_otherwise, tmp_path)})
    assert recipe == again
    renamed = TextConfig(sources=(Source(name="other", path="a.txt"),))
    assert recipe != ingest_text.fingerprint({"config": renamed, "files": files_for(renamed, tmp_path)})


def test_nothing_readable_fails_and_names_the_reason(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.jsonl", '{"body": "text"}\n' * 3)
    with pytest.raises(StageFailed, match="none of 3 records in 1 files is a document; most often: no column 'text'"):
        ingest(run_stage, tmp_path, text_config("a.jsonl"))


def test_progress_ends_at_the_bytes_of_the_files(run_stage: Any, put: Any, tmp_path: Path) -> None:
    put("a.jsonl", '{"text": "one"}\n' * 5000)
    events: list[dict[str, Any]] = []
    config = text_config("a.jsonl")
    run_stage(ingest_text, config, files_for(config, tmp_path), events=events)
    shown = [event for event in events if event["event"] == "progress"]
    assert len(shown) == 3
    assert [event["done"] for event in shown] == sorted(event["done"] for event in shown)
    assert shown[-1]["done"] == shown[-1]["total"] == 16 * 5000


def test_a_sample_is_chosen_by_id_and_accounted_for(run_stage: Any, put: Any, tmp_path: Path) -> None:
    """Larger samples hold the smaller ones, whatever the order, and what is left out stands in the account."""
    rows = [json.dumps({"text": f"text {number}"}) for number in range(400)]
    put("a.jsonl", "\n".join(rows).encode())
    whole = ingest(run_stage, tmp_path, text_config("a.jsonl"))
    ids = set(read_documents(whole.path / "documents", ["id"])["id"].to_pylist())

    def sample(share: float) -> tuple[set[bytes], dict[str, int]]:
        config = text_config("a.jsonl").model_copy(update={"sample": share})
        made = ingest(run_stage, tmp_path, config)
        account = Account(**made.metrics["account"]).check()
        found = set(read_documents(made.path / "documents", ["id"])["id"].to_pylist())
        assert (account.documents_in, account.documents_kept) == (400, len(found))
        assert account.documents_dropped == 400 - len(found)
        return found, made.metrics["account"]

    tenth, _ = sample(0.1)
    half, account = sample(0.5)
    assert tenth < half < ids
    assert half == {one for one in ids if one[0] < 0x80}
    assert 20 < len(tenth) < 65  # 40 ± 4 standard deviations
    put("a.jsonl", "\n".join(reversed(rows)).encode())
    assert sample(0.5) == (half, account)
    with pytest.raises(StageFailed, match=r"sample=1e-09 leaves none of 400 documents"):
        sample(1e-9)


GOOD, BAD = '{"text": "one"}\n', '{"body": "one"}\n'


@pytest.fixture
def guarded(run_stage: Any, put: Any, tmp_path: Path) -> Any:
    """Ingest sources of so many (good, bad) records each."""

    def run(*accepted: str, **records: tuple[int, int]) -> Any:
        for name, (good, bad) in records.items():
            put(f"{name}.jsonl", GOOD * good + BAD * bad)
        sources = tuple(Source(name=name, path=f"{name}.jsonl") for name in records)
        return ingest(run_stage, tmp_path, TextConfig(sources=sources, accept_losses=accepted))

    return run


def test_most_of_a_source_in_quarantine_stops_the_stage_unless_it_is_accepted(guarded: Any) -> None:
    with pytest.raises(StageFailed) as stopped:
        guarded(docs=(100, 0), half=(2, 38))
    assert str(stopped.value) == (
        "ingest.corpus stops, since 38 of the 40 records of source 'half' are quarantined (95%), most often: no column "
        "'text' (38, the first in half.jsonl, line 3). Expected at most 50% of the records, and 90% of a source's. "
        "Correct the files, or what the source says of them (format, text, id, max_record_bytes). If that is meant: "
        "ingest.corpus.accept_losses=[half]."
    )
    with pytest.raises(StageFailed, match=r"since 38 of the 40 records of source 'half' are .*line 3\). Expected"):
        guarded(docs=(3, 0), half=(2, 38))  # of the corpus more than half, too: one remedy for both
    assert guarded("half", docs=(100, 0), half=(2, 38)).metrics["account"]["documents_quarantined"] == 38


def test_most_of_a_corpus_in_quarantine_stops_the_stage_unless_it_is_accepted(guarded: Any) -> None:
    with pytest.raises(StageFailed) as stopped:
        guarded(a=(10, 40), b=(20, 15), c=(0, 5))
    assert "since 60 of the 90 records are quarantined (67%), most often: no column 'text' (40, the first in a." in str(
        stopped.value
    )
    assert "ingest.corpus.accept_losses=[a, c]" in str(stopped.value)
    assert guarded("a", "c", a=(10, 40), b=(20, 15), c=(0, 5)).metrics["account"]["documents_kept"] == 30
    with pytest.raises(StageFailed, match="39 of the 75 records are"):
        guarded("c", a=(6, 35), b=(30, 4), c=(0, 5))


def test_half_of_a_corpus_and_nine_tenths_of_a_source_may_lie_in_quarantine(guarded: Any) -> None:
    assert guarded(a=(2, 18), b=(18, 2)).metrics["account"]["documents_kept"] == 20
    assert guarded(a=(1, 18)).metrics["account"]["documents_kept"] == 1, "of 19 records a share says little"
    assert guarded(a=(0, 19), b=(30, 0)).metrics["account"]["documents_kept"] == 30
