"""Clean: every document goes through the edits in order; each byte that they cut or insert is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_config.clean import (
    CleanConfig,
    DropLinesConfig,
    Edit,
    HtmlConfig,
    MarkdownConfig,
    NormalFormConfig,
    PiiConfig,
    RepairConfig,
    SecretsConfig,
    WhitespaceConfig,
)
from tasks.corpus.account import Account
from tasks.corpus.document import SCHEMA, iter_documents, text_digest, write_documents
from tasks.curation.edits import (
    drop_lines,
    html,
    markdown,
    normal_form,
    pii,
    repair,
    secrets,
    whitespace,
)
from tasks.curation.edits.edited import Edited

CUTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # of the edit in the config
        pa.field("edit", pa.string(), nullable=False),
        pa.field("cut", pa.int64(), nullable=False),
        pa.field("inserted", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("emptied", pa.bool_(), nullable=False),  # nothing was left: the document was dropped
    ]
)


@dataclass
class EditTotals:
    documents: int = 0
    cut: int = 0
    inserted: int = 0
    emptied: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # replaced stretches by kind, of edits that tell

    def figures(self) -> dict[str, Any]:
        """For metrics; `counts` where there are any."""
        figures = {name: value for name, value in vars(self).items() if name != "counts"}
        return figures | ({"counts": dict(sorted(self.counts.items()))} if self.counts else {})


@dataclass
class Cleaned:
    """The figures of a cleaning; complete once the documents have been written."""

    account: Account = field(default_factory=Account)
    edits: list[EditTotals] = field(default_factory=list)


def apply(edit: Edit, text: str) -> Edited:
    """One edit of one text."""
    match edit:
        case RepairConfig():
            return repair.edit(text, edit)
        case NormalFormConfig():
            return normal_form.edit(text, edit)
        case HtmlConfig():
            return html.edit(text, edit)
        case MarkdownConfig():
            return markdown.edit(text, edit)
        case WhitespaceConfig():
            return whitespace.edit(text, edit)
        case DropLinesConfig():
            return drop_lines.edit(text, edit)
        case PiiConfig():
            return pii.edit(text, edit)
        case SecretsConfig():
            return secrets.edit(text, edit)
        case _:
            assert_never(edit)


def apply_all(edits: Sequence[Edit], source: str, text: str) -> tuple[str, list[tuple[int, Edited]]]:
    """The text after all edits, and what each that changed it did, by its position."""
    changes = []
    for position, edit in enumerate(edits):
        if edit.sources and source not in edit.sources:
            continue
        edited = apply(edit, text)
        if edited.reason:
            changes.append((position, edited))
            text = edited.text
    return text, changes


def apply_batch(
    edits: Sequence[Edit], sources: Sequence[str], texts: Sequence[str]
) -> list[tuple[str, list[tuple[int, Edited]]]]:
    """What `apply_all` gives for each of the texts, edit by edit."""
    now = list(texts)
    changes: list[list[tuple[int, Edited]]] = [[] for _ in now]
    for position, edit in enumerate(edits):
        rows = [row for row, source in enumerate(sources) if not edit.sources or source in edit.sources]
        for place, edited in _changed(edit, [now[row] for row in rows]):
            changes[rows[place]].append((position, edited))
            now[rows[place]] = edited.text
    return list(zip(now, changes, strict=True))


def _changed(edit: Edit, texts: Sequence[str]) -> Iterator[tuple[int, Edited]]:
    """The texts that an edit changes, by their place; some edits tell from one pass over all where to look."""
    match edit:
        case PiiConfig():
            yield from pii.edit_batch(texts, edit)
        case SecretsConfig():
            yield from secrets.edit_batch(texts, edit)
        case _:
            edits = ((place, apply(edit, text)) for place, text in enumerate(texts))
            yield from ((place, edited) for place, edited in edits if edited.reason)


def run(config: CleanConfig, documents: Path, out: Path, progress: Callable[[int], None]) -> Cleaned:
    """Clean the documents of a folder into `out/documents` and `out/cuts.parquet`.

    A document of which nothing but white space is left is dropped; its rows in the cuts are marked `emptied`.
    """
    cleaned = Cleaned(edits=[EditTotals() for _ in config.edits])
    with pq.ParquetWriter(out / "cuts.parquet", CUTS, compression="zstd") as cuts:
        write_documents(out / "documents", _edited(config, documents, cleaned, cuts, progress))
    cleaned.account.check()
    return cleaned


def _edited(
    config: CleanConfig, documents: Path, cleaned: Cleaned, cuts: pq.ParquetWriter, progress: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    for batch in iter_documents(documents):
        rows: list[dict[str, Any]] = []
        notes: list[dict[str, Any]] = []
        account: dict[str, int] = dict.fromkeys(Account.model_fields, 0)
        edited = apply_batch(config.edits, batch["source"].to_pylist(), batch["text"].to_pylist())
        for row, (text, changes) in zip(batch.to_pylist(), edited, strict=True):
            before = len(row["text"].encode())
            emptied = not text.strip()
            account["documents_in"] += 1
            account["bytes_in"] += before
            account["documents_dropped" if emptied else "documents_kept"] += 1
            if emptied:
                account["bytes_dropped"] += before
            else:
                account["bytes_kept"] += len(text.encode())
                rows.append(row | {"text": text, "text_digest": text_digest(text)} if changes else row)
            for position, change in changes:
                totals = cleaned.edits[position]
                totals.documents += 1
                totals.counts.update(change.counts)
                if not emptied:
                    totals.cut += change.cut
                    totals.inserted += change.inserted
                    account["bytes_cut"] += change.cut
                    account["bytes_inserted"] += change.inserted
                notes.append(
                    {
                        "id": row["id"],
                        "source": row["source"],
                        "position": position,
                        "edit": config.edits[position].kind,
                        "cut": change.cut,
                        "inserted": change.inserted,
                        "reason": change.reason,
                        "emptied": emptied,
                    }
                )
            if emptied and changes:
                cleaned.edits[changes[-1][0]].emptied += 1
        cleaned.account += Account(**account)
        cuts.write_batch(pa.RecordBatch.from_pylist(notes, schema=CUTS))
        progress(batch.num_rows)
        yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
