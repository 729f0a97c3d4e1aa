"""Two corpora: which documents moved, and by which rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_config.clean import Edit
from tasks.corpus.document import iter_documents, read_documents, reference
from tasks.corpus.redaction.settings import excerpt

COLUMNS = ["id", "source", "decision", "step", "reason", "value", "threshold", "matched_id"]
MOVES = ("kept to dropped", "dropped to kept", "new and kept", "new and dropped", "gone, was kept", "gone, was dropped")
OTHER_RULE = "dropped by another rule"
EMPTIED = "nothing but white space was left"
EXCERPT = 400


@dataclass(frozen=True)
class Place:
    """Where a corpus lies: folders of the `select` artifact and of what it was made from."""

    corpus: Path
    clean: Path | None
    """For the texts of dropped documents; None where it is gone."""
    edits: tuple[Edit, ...] = ()
    """What they mask is masked in any text that is shown."""


@dataclass(frozen=True)
class Moved:
    document: str
    """`doc:<hex>`."""
    source: str
    move: str
    step: str
    """The rule that dropped it (in B, or in A where B keeps or lacks it); empty for one that no rule dropped."""
    reason: str
    value: float | None
    threshold: float | None
    matched: str = ""
    """`doc:<hex>` of what it repeats, be it a document or a held-out text; empty where it repeats nothing."""
    text: str = ""
    """Its beginning, where it was asked for and is still there."""


@dataclass(frozen=True)
class Movements:
    documents: tuple[tuple[int, int], tuple[int, int]]
    """Of A and of B: how many were judged, how many kept."""
    moved: tuple[Moved, ...]
    """In order of move, rule and id."""
    edited: int
    """Documents kept in both whose text differs."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Documents by move, then by rule."""
        found: dict[str, Counter[str]] = {}
        for one in self.moved:
            found.setdefault(one.move, Counter())[one.step] += 1
        return {move: dict(found[move].most_common()) for move in (*MOVES, OTHER_RULE) if move in found}


def movements(a: Place, b: Place) -> Movements:
    """Compare two ledgers by document."""
    one, other = _ledger(a), _ledger(b)
    at = pc.index_in(other["id"], value_set=one["id"])
    before = one.take(at)  # nulls for new documents
    same = pc.and_(pc.equal(before["decision"], other["decision"]), pc.equal(before["step"], other["step"]))
    changed = pc.invert(same.fill_null(False))
    gone = one.filter(pc.invert(pc.is_in(one["id"], value_set=other["id"])))
    found = [
        _moved(row if row["id"] is not None else None, now)
        for row, now in zip(before.filter(changed).to_pylist(), other.filter(changed).to_pylist(), strict=True)
    ]
    found += [_moved(row, None) for row in gone.to_pylist()]
    order = (*MOVES, OTHER_RULE)
    moved = sorted(found, key=lambda item: (order.index(item.move), item.step, item.document))
    kept = tuple((table.num_rows, pc.sum(pc.equal(table["decision"], "kept")).as_py() or 0) for table in (one, other))
    return Movements((kept[0], kept[1]), tuple(moved), _edited(a, b))


def with_texts(moved: list[Moved], a: Place, b: Place) -> Iterator[Moved]:
    """The same with the beginnings of their texts, as far as one of the two corpora still has them. What either's edits
    mask is masked, whichever the text comes from."""
    edits = (*a.edits, *b.edits)
    wanted = {bytes.fromhex(one.document.removeprefix("doc:")) for one in moved}
    texts: dict[bytes, str] = {}
    for folder in (b.corpus, a.corpus, b.clean, a.clean):
        missing = wanted - texts.keys()
        if folder is None or not missing:
            continue
        values = pa.array(list(missing), pa.binary(16))
        for batch in iter_documents(folder / "documents", columns=["id", "text"]):
            hits = batch.filter(pc.is_in(batch["id"], value_set=values))
            texts |= {row["id"]: excerpt(row["text"], edits, EXCERPT) for row in hits.to_pylist()}
    for one in moved:
        yield Moved(**{**asdict(one), "text": texts.get(bytes.fromhex(one.document.removeprefix("doc:")), "")})


def _ledger(place: Place) -> pa.Table:
    """The fate of every document, in one piece. `step` is empty for kept ones, and `clean` where nothing was left."""
    table = pq.read_table(place.corpus / "ledger.parquet", columns=COLUMNS)
    step = pc.if_else(pc.equal(table["decision"], "kept"), "", table["step"])
    table = table.set_column(table.column_names.index("step"), "step", step)
    if place.clean is None:
        return table.combine_chunks()
    cuts = pq.read_table(place.clean / "cuts.parquet", columns=["id", "source"], filters=pc.field("emptied"))
    emptied = [
        {"id": row["id"], "source": row["source"], "decision": "dropped", "step": "clean", "reason": EMPTIED}
        for row in {row["id"]: row for row in cuts.to_pylist()}.values()
    ]
    return pa.concat_tables([table, pa.Table.from_pylist(emptied, schema=table.schema)]).combine_chunks()


def _moved(a: dict[str, Any] | None, b: dict[str, Any] | None) -> Moved:
    """What became of a document whose fate is another; None where a corpus never had it."""
    if a is not None and b is not None:
        by = b if b["decision"] == "dropped" else a
        move = f"{a['decision']} to {b['decision']}" if a["decision"] != b["decision"] else OTHER_RULE
    else:
        by = a or b or {}
        move = f"new and {by['decision']}" if a is None else f"gone, was {by['decision']}"
    return Moved(
        document=reference(by["id"]),
        source=by["source"],
        move=move,
        step=by["step"],
        reason=by["reason"] or "",
        value=by["value"],
        threshold=by["threshold"],
        matched=reference(by["matched_id"]) if by["matched_id"] else "",
    )


def _edited(a: Place, b: Place) -> int:
    one, other = (read_documents(place.corpus / "documents", ["id", "text_digest"]) for place in (a, b))
    at = pc.index_in(other["id"], value_set=one["id"])
    both = pc.is_valid(at)
    before = one["text_digest"].take(at.filter(both))
    return int(pc.sum(pc.not_equal(before, other["text_digest"].filter(both))).as_py() or 0)
