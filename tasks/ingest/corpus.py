"""Raw text into documents. Files are read one after another in bounded memory.

What grows with the corpus is one 64-bit number a record (about 60 bytes), to tell the second of two equal records from
the first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa

from pipeline_config.ingest import Eml, Mbox, Source, TextConfig
from tasks.corpus.account import Account, book
from tasks.corpus.document import SCHEMA, document_id, text_digest, write_documents
from tasks.corpus.guarded import FEW, MOST, MOST_OF_A_SOURCE
from tasks.ingest.readers.record import Unreadable
from tasks.ingest.resolve import format_of
from tasks.ingest.rows import Quarantine, Row, by_source, cells, rows
from tasks.runtime.artifact import InputFiles
from tasks.runtime.errors import StageFailed
from tasks.runtime.stage import Context

_BATCH = 2048  # documents


def run(ctx: Context, config: TextConfig, files: InputFiles) -> dict[str, Any]:
    """Write `documents/` and `quarantine.parquet` under `ctx.out`; return the metrics.

    Raises:
        StageFailed: no document could be read, more is quarantined than `config.accept_losses` accepts, or a compressed
            or columnar file is damaged.
    """
    tallies = {source.name: Counter[str]() for source in config.sources}
    attachments = Counter[str]()  # of mails, by source
    with Quarantine(ctx.out / "quarantine.parquet") as quarantine:
        written = write_documents(
            ctx.out / "documents", _documents(ctx, config, files, tallies, attachments, quarantine)
        )
    accounts = {name: Account(**tally).check() for name, tally in tallies.items()}
    total = sum(accounts.values(), Account()).check()
    assert written == total.documents_kept, f"{written} documents written, {total.documents_kept} read"
    if config.sample < 1:
        ctx.say(
            f"a sample of {config.sample:.4g} of the documents: {written}; {total.documents_dropped} are left out. "
            "Duplicates are underestimated, since of a pair both are rarely in it."
        )
    if not written and config.sample < 1 and total.documents_dropped:
        raise StageFailed(
            f"sample={config.sample:.4g} leaves none of {total.documents_dropped} documents; expected some. Raise it."
        )
    if not written:
        reasons = quarantine.reasons
        worst = max(reasons, key=lambda reason: reasons[reason], default="no record")
        raise StageFailed(
            f"none of {total.documents_in} records in {len(files.files)} files is a document; most often: {worst}. "
            "Set the source's format and the columns text, id and metadata to what the files hold."
        )
    judged = {name: account for name, account in accounts.items() if name not in config.accept_losses}
    if found := _losses(judged, quarantine):
        # Once these are accepted, no more than half of any other source is quarantined, nor of all others together.
        most = [name for name, account in judged.items() if account.documents_quarantined > MOST * account.documents_in]
        raise StageFailed(
            f"{ctx.job.node} stops, since {'; '.join(found)}. Expected at most {MOST:.0%} of the records, and "
            f"{MOST_OF_A_SOURCE:.0%} of a source's. Correct the files, or what the source says of them (format, text, "
            f"id, max_record_bytes). If that is meant: {ctx.job.node}.accept_losses=[{', '.join(most)}]."
        )
    return {
        "account": total.model_dump(),
        "sources": {name: account.model_dump() for name, account in accounts.items()},
        "quarantined": dict(sorted(quarantine.reasons.items())),
        "files": len(files.files),
        "file_bytes": sum(file.size for file in files.files),
        **({"attachments_left_out": dict(attachments)} if attachments else {}),
    }


def _losses(accounts: Mapping[str, Account], quarantine: Quarantine) -> list[str]:
    """What the quarantine takes too much of, a phrase each: of single sources, or else of all together.

    `accounts` are those of the sources that are judged.
    """

    def lost(where: str, account: Account, sources: Collection[str], share: float) -> list[str]:
        taken, there = account.documents_quarantined, account.documents_in
        if there < FEW or taken <= share * there:
            return []
        met = {key: count for key, count in quarantine.by_source.items() if key[0] in sources}
        worst = max(met, key=lambda key: met[key])
        file, line = quarantine.first[worst]
        return [
            f"{taken} of the {there} records{where} are quarantined ({taken / there:.0%}), most often: {worst[1]} "
            f"({met[worst]}, the first in {file}, line {line})"
        ]

    found = [
        phrase
        for name, account in accounts.items()
        for phrase in lost(f" of source {name!r}", account, [name], MOST_OF_A_SOURCE)
    ]
    return found or lost("", sum(accounts.values(), Account()), accounts, MOST)


def sampled(document: bytes, share: float) -> bool:
    """Whether a document is in a sample: ids are hashes, so their first 64 bits choose it, whatever else there is."""
    return int.from_bytes(document[:8], "big") < share * 2**64


class Identity:
    """Gives each record of a source its id: how-manieth among equal records it is, and the hash of that."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._copies: Counter[bytes] = Counter()

    def __call__(self, source: str, raw: bytes) -> bytes:
        first = document_id(source, raw)
        key = int.from_bytes(first[:8], "big", signed=True)
        if key not in self._seen:
            self._seen.add(key)
            return first
        self._copies[first] += 1
        return document_id(source, raw, self._copies[first])


def _documents(
    ctx: Context,
    config: TextConfig,
    files: InputFiles,
    tallies: dict[str, Counter[str]],
    attachments: Counter[str],
    quarantine: Quarantine,
) -> Iterator[pa.Table]:
    identity = Identity()
    total, before, count = sum(file.size for file in files.files), 0, 0
    held: list[tuple[Any, ...]] = []
    for source, file in by_source(config.sources, files):
        inside = 0
        named, mails = json.dumps(file.name), isinstance(format_of(source, file.name), Eml | Mbox)
        for row in rows(source, file):
            size = row.size if isinstance(row, Unreadable) else len(row.raw)
            inside += size
            if isinstance(row, Unreadable):
                book(tallies[source.name], "quarantined", size)
                quarantine.add(source.name, file.name, row)
                continue
            document = identity(source.name, row.raw)
            if not sampled(document, config.sample):
                book(tallies[source.name], "dropped", size)
                continue
            # What is cut: other columns, quotes, escapes; inserted: separators between joined columns.
            book(tallies[source.name], "kept", size, len(row.text.encode()))
            if mails:
                attachments[source.name] += row.columns["attachments"]
            metadata = _metadata(source, named, row)
            held.append((document, row.external_id, source.name, row.text, text_digest(row.text), metadata))
            if len(held) >= _BATCH:
                count += len(held)
                ctx.progress(before + min(inside, file.size), total, "bytes", note=f"{count} documents")
                yield _table(held)
                held = []
        before += file.size
        ctx.progress(before, total, "bytes", note=f"{count + len(held)} documents")
    if held:
        yield _table(held)


def _metadata(source: Source, file: str, row: Row) -> str:
    """A JSON object with sorted keys; `file` is JSON already. `fields` are the characters of each joined column."""
    columns = ""
    if source.metadata:
        found = {column: cells(row.columns, column) for column in source.metadata}
        values = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
        columns = f'"columns": {json.dumps(values, sort_keys=True, default=str)}, '
    fields = f'"fields": {list(row.fields)}, ' if row.fields else ""
    return f'{{{columns}{fields}"file": {file}, "line": {row.line}}}'


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """A table of `SCHEMA` from rows of its values."""
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)
