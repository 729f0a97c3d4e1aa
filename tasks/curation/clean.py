"""Clean: every document goes through the edits in order; each byte that they cut or insert is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, assert_never

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_config.clean import (
    C4LinesConfig,
    CleanConfig,
    DropLinesConfig,
    Edit,
    HtmlConfig,
    MarkdownConfig,
    NormalFormConfig,
    RepairConfig,
    RepeatedLinesConfig,
    WhitespaceConfig,
)
from tasks.corpus.account import Account
from tasks.corpus.document import SCHEMA, iter_documents, text_digest, write_documents
from tasks.curation import line_frequencies
from tasks.curation.edits import (
    c4_lines,
    drop_lines,
    html,
    markdown,
    normal_form,
    repair,
    repeated_lines,
    whitespace,
)
from tasks.curation.edits.edited import Edited
from tasks.curation.line_frequencies import Frequencies

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


@dataclass
class Cleaned:
    """The figures of a cleaning; complete once the documents have been written."""

    account: Account = field(default_factory=Account)
    edits: list[EditTotals] = field(default_factory=list)


def apply(edit: Edit, text: str, source: str = "", frequencies: Frequencies | None = None) -> Edited:
    """One edit of one text. `frequencies` were fitted for it on the corpus; a text that is in none has none."""
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
        case C4LinesConfig():
            return c4_lines.edit(text, edit)
        case RepeatedLinesConfig():
            return repeated_lines.edit(text, edit, source, frequencies) if frequencies is not None else Edited(text)
        case _:
            assert_never(edit)


def apply_all(
    edits: Sequence[Edit], source: str, text: str, fitted: Mapping[int, Frequencies] = MappingProxyType({})
) -> tuple[str, list[tuple[int, Edited]]]:
    """The text after all edits, and what each that changed it did, by its position; `fitted` is by position, too."""
    changes = []
    for position, edit in enumerate(edits):
        if edit.sources and source not in edit.sources:
            continue
        edited = apply(edit, text, source, fitted.get(position))
        if edited.reason:
            changes.append((position, edited))
            text = edited.text
    return text, changes


def fit(edits: Sequence[Edit], documents: Path, spill: Path) -> dict[int, Frequencies]:
    """Count what the edits need to know of the whole corpus, by their position: one pass over the documents for each.

    Each sees the texts as the edits before it leave them. `spill` is an empty folder.
    """
    fitted: dict[int, Frequencies] = {}
    for position, edit in enumerate(edits):
        if isinstance(edit, RepeatedLinesConfig):
            keys = (
                repeated_lines.keys(apply_all(edits[:position], source, text, fitted)[0], edit, source)
                for batch in iter_documents(documents, ["source", "text"])
                for source, text in zip(*(batch.column(name).to_pylist() for name in ("source", "text")), strict=True)
                if not edit.sources or source in edit.sources
            )
            folder = spill / str(position)
            folder.mkdir()
            fitted[position] = line_frequencies.fit(keys, edit.min_documents, folder)
    return fitted


def run(config: CleanConfig, documents: Path, out: Path, progress: Callable[[int], None]) -> Cleaned:
    """Clean the documents of a folder into `out/documents` and `out/cuts.parquet`.

    What edits had to count over the corpus first lies in `out/line_frequencies.parquet`.

    A document of which nothing but white space is left is dropped; its rows in the cuts are marked `emptied`.
    """
    cleaned = Cleaned(edits=[EditTotals() for _ in config.edits])
    with TemporaryDirectory(dir=out, prefix=".lines-") as spill:
        fitted = fit(config.edits, documents, Path(spill))
    if fitted:
        line_frequencies.write(out / "line_frequencies.parquet", fitted)
    with pq.ParquetWriter(out / "cuts.parquet", CUTS, compression="zstd") as cuts:
        write_documents(out / "documents", _edited(config, fitted, documents, cleaned, cuts, progress))
    cleaned.account.check()
    return cleaned


def _edited(
    config: CleanConfig,
    fitted: Mapping[int, Frequencies],
    documents: Path,
    cleaned: Cleaned,
    cuts: pq.ParquetWriter,
    progress: Callable[[int], None],
) -> Iterator[pa.RecordBatch]:
    for batch in iter_documents(documents):
        rows: list[dict[str, Any]] = []
        notes: list[dict[str, Any]] = []
        account: dict[str, int] = dict.fromkeys(Account.model_fields, 0)
        for row in batch.to_pylist():
            before = len(row["text"].encode())
            text, changes = apply_all(config.edits, row["source"], row["text"], fitted)
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
