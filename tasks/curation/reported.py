"""Texts of documents that a rule would drop, were it not set to report only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_config.clean import Edit
from tasks.corpus.document import documents_at, read_documents, reference
from tasks.corpus.redaction.settings import masked

EXCERPT = 200
"""Characters of a text."""


def reported(documents: Path, steps: Sequence[dict[str, Any]], edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """By step and reason the samples of the steps (`samples` of those that only report) with source and the beginning
    of the text, masked as `edits` do in any source."""
    groups = [
        (step["step"], reason, rows)
        for step in steps
        if "kind" in step
        for reason, rows in step.get("samples", {}).items()
    ]
    names = {row["document"].removeprefix("doc:") for _, _, rows in groups for row in rows}
    wanted = pa.array([bytes.fromhex(name) for name in sorted(names)], pa.binary(16))
    found = pc.is_in(read_documents(documents, ["id"])["id"], value_set=wanted).to_numpy()
    texts = {reference(row["id"]): row for row in documents_at(documents, np.flatnonzero(found).tolist()).values()}
    return [
        {"step": step, "reason": reason, "documents": [row | _told(texts[row["document"]], edits) for row in rows]}
        for step, reason, rows in groups
    ]


def _told(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, str]:
    text = masked(document["text"][: 10 * EXCERPT], edits)  # cut afterwards: half a number is not recognised
    return {"source": document["source"], "text": text[:EXCERPT] + ("…" if len(text) > EXCERPT else "")}
