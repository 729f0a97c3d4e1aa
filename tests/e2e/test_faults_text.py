"""Users' names, settings and texts with control characters: seen as signs in terminal, logs and pages, never raw."""

from __future__ import annotations

import gzip
import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Road
from tests.e2e.workspace import Textmill

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]
NASTY = "\x1b[31m\x07\u202e"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_what_a_user_writes_steers_nothing(road: Road, fresh: Callable[..., Textmill]) -> None:
    textmill = fresh()
    root, chance = textmill.root, random.Random(0)
    texts = [{"text": f"\x1b]0;title\x07 line {index} \u202e {chance.random()}"} for index in range(4000)]
    texts.append({"text": "a NUL: \x00"})  # set aside, and counted
    whole = gzip.compress("\n".join(json.dumps(one) for one in texts).encode())
    file = root / "data" / f"ev{NASTY}.jsonl.gz"
    file.write_bytes(whole)
    source = "ingest.corpus.sources=[{name: events, path: data/ev*.jsonl.gz}]"
    licence = f'promotion.data_licence="ours {json.dumps(NASTY)[1:-1]}"'
    told = [textmill("run", source, licence, "--until", "select").said]

    (made,) = textmill.artifacts("ingest.corpus")
    documents = pq.read_table(next((made / "documents").glob("*.parquet")), columns=["id", "text"])
    assert "\x1b" in documents["text"][0].as_py()
    told.append(textmill("show", f"doc:{documents['id'][0].as_py().hex()}").said)
    told.append(textmill("show", "ingest.corpus").said)
    assert "\x1b" not in told[-2]

    file.write_bytes(whole[: int(0.9 * len(whole))])  # fails within the stage, which names the file
    told.append(textmill("plan", source).said)
    told.append(textmill("run", source, "--until", "ingest.corpus", code=1).said)
    told.append(textmill("validate", f"promotion.data_licence={NASTY}", code=None).said)
    told.append(textmill("run", "--until", NASTY, code=2).said)
    assert "ev[U+001B][31m[U+0007][U+202E].jsonl.gz" in told[-3]

    for text in told:
        assert not RAW.search(text), repr(text)
    for path in [*root.glob("logs/*"), *root.glob("logs/*/*"), *root.glob("runs/*/report.html")]:
        if path.is_file():
            assert not RAW.search(path.read_text()), path
    assert list(root.glob("runs/*/report.html"))
    pages = {
        root / "mlflow.db": ("tags.value", "params.value", "runs.name"),
        road.root / ".prefect" / "prefect.db": (
            "log.message",
            "flow_run.name",
            "artifact.data",
            "artifact.description",
        ),
    }
    shown = [text for database, columns in pages.items() for column in columns for text in texts_in(database, column)]
    assert any("ev[U+001B]" in text for text in shown)
    for text in shown:
        assert not RAW.search(text), repr(text)


def texts_in(database: Path, column: str) -> Iterator[str]:
    table, _, name = column.partition(".")
    with sqlite3.connect(database) as connection:
        for (value,) in connection.execute(f"SELECT {name} FROM {table}"):
            yield str(value)
