"""Which documents moved between two corpora, by which rule."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.comparison.corpora import EMPTIED, OTHER_RULE, Place, movements, with_texts
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.curation.clean import CUTS
from tasks.curation.ledger import SCHEMA

ID = {name: document_id("docs", name.encode()) for name in "abcdefgh"}


def corpus(root: Path, fates: dict[str, str], emptied: str = "", edited: str = "") -> Place:
    """`fates`: by document `kept`, or the rule that dropped it. What `edited` names reads otherwise."""
    texts = {name: f"text of {name}{' edited' if name in edited else ''}" for name in fates}
    rows = [{"id": ID[name], "source": "docs", "text": text} for name, text in texts.items()]
    write_documents(root / "clean" / "documents", document_table(rows))
    kept = [row for row, fate in zip(rows, fates.values(), strict=True) if fate == "kept"]
    write_documents(root / "select" / "documents", document_table(kept))
    ledger = [
        {"id": ID[name], "source": "docs", "decision": "kept"}
        if fate == "kept"
        else {"id": ID[name], "source": "docs", "decision": "dropped", "step": fate, "reason": f"{fate}: too low"}
        | {"value": 3.0, "threshold": 4.0, "matched_id": ID["a"] if fate == "near" else None}
        for name, fate in sorted(fates.items(), key=lambda item: ID[item[0]])
    ]
    pq.write_table(pa.Table.from_pylist(ledger, schema=SCHEMA), root / "select" / "ledger.parquet")
    cuts = [
        {"id": ID[name], "source": "docs", "position": 0, "edit": "html", "cut": 9, "inserted": 0, "reason": "markup"}
        | {"counts": "{}", "emptied": True}
        for name in emptied
    ]
    pq.write_table(pa.Table.from_pylist(cuts, schema=CUTS), root / "clean" / "cuts.parquet")
    return Place(root / "select", root / "clean")


@pytest.fixture
def places(tmp_path: Path) -> tuple[Place, Place]:
    a = corpus(tmp_path / "a", {"a": "kept", "b": "kept", "c": "words", "d": "words", "e": "kept", "h": "kept"})
    b = corpus(
        tmp_path / "b",
        {"a": "kept", "b": "words", "c": "kept", "d": "near", "f": "kept", "g": "exact"},
        emptied="h",
        edited="a",
    )
    return a, b


def test_moves_are_counted_by_rule(places: tuple[Place, Place]) -> None:
    found = movements(*places)
    assert found.documents == ((6, 4), (7, 3))
    assert found.counts() == {
        "kept to dropped": {"clean": 1, "words": 1},
        "dropped to kept": {"words": 1},
        "new and kept": {"": 1},
        "new and dropped": {"exact": 1},
        "gone, was kept": {"": 1},
        OTHER_RULE: {"near": 1},
    }
    assert found.edited == 1
    (emptied,) = [one for one in found.moved if one.step == "clean"]
    assert (emptied.document, emptied.reason, emptied.value) == (f"doc:{ID['h'].hex()}", EMPTIED, None)
    (dropped,) = [one for one in found.moved if (one.move, one.step) == ("kept to dropped", "words")]
    assert (dropped.reason, dropped.value, dropped.threshold) == ("words: too low", 3.0, 4.0)
    assert {one.step: one.matched for one in found.moved if one.matched} == {"near": f"doc:{ID['a'].hex()}"}


def test_a_corpus_moves_nothing_against_itself(places: tuple[Place, Place]) -> None:
    for place in places:
        found = movements(place, place)
        assert (found.moved, found.edited) == ((), 0)


def test_texts_come_from_whoever_has_them(places: tuple[Place, Place]) -> None:
    moved = movements(*places).moved
    texts = {one.document: one.text for one in with_texts(list(moved), *places)}
    assert {name: texts.get(f"doc:{ID[name].hex()}") for name in "bcdefgh"} == {
        name: f"text of {name}" for name in "bcdefgh"
    }
    without = [Place(place.corpus, None) for place in places]
    texts = {one.document: one.text for one in with_texts(list(moved), *without)}
    assert texts[f"doc:{ID['d'].hex()}"] == ""  # dropped in both
    assert texts[f"doc:{ID['b'].hex()}"] == "text of b"
    assert [one.step for one in movements(*without).moved if one.document.endswith(ID["h"].hex())] == [""]
