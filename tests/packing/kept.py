"""The ledger of a corpus of which every document was kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.corpus.document import read_documents
from tasks.curation.ledger import SCHEMA


def write_ledger(
    corpus: Path,
    language: Callable[[str], str] = lambda _: "en",
    component: Callable[[str], bytes | None] = lambda _: None,
) -> None:
    """`language` of a text; `component` of a text: the id of its component, None = its own."""
    rows = [
        {"id": row["id"], "source": row["source"], "decision": "kept"}
        | {"language": language(row["text"]), "component": component(row["text"]) or row["id"]}
        for row in read_documents(corpus / "documents").to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), corpus / "ledger.parquet")
