"""The card of a selected corpus, from manifests alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.artifact import MANIFEST, CleanCorpus, Corpus, Measures, RawCorpus
from tasks.runtime.corpus_card import CARD, FACTS, corpus_card, corpus_facts, read_facts, write_card
from tasks.runtime.tracking import Tracking
from tasks.runtime.workspace import Workspace, remove_tree
from tests.promotion.shop import make_artifact

ACCOUNT = {"documents_quarantined": 3, "bytes_quarantined": 300, "documents_dropped": 0, "bytes_dropped": 0}
STEPS = [
    {"step": "drop", "documents": 1, "bytes": 10},
    {"step": "symbols", "kind": "symbols", "documents": 2, "bytes": 20, "report_only": False},
    {"step": "perplexity", "kind": "perplexity", "documents": 0, "bytes": 0, "report_only": True},
    {"step": "decontaminate", "documents": 4, "bytes": 40},
    {"step": "exact", "documents": 5, "bytes": 50},
    {"step": "near", "documents": 6, "bytes": 60},
]
REPORTED = [
    {
        "step": "perplexity",
        "reason": "bits per byte: too high",
        "documents": [
            {
                "document": "doc:01",
                "value": 7.25,
                "threshold": 4.0,
                "source": "docs",
                "text": "x|y `z`\n![](http://a.b)",
            }
        ],
    }
]
SELECT: dict[str, Any] = {
    "exact_duplicates": True,
    "near_duplicates": {"threshold": 0.8, "bands": 14},
    "decontaminate": {"containment": 0.5, "ngram_size": 13},
}


def made(
    root: Path,
    node: str,
    kind: Any,
    metrics: Any,
    config: Any,
    *before: Any,
    fill: Callable[[Path], None] = lambda _: None,
) -> Any:
    """An artifact that names those before it as its inputs."""
    artifact = make_artifact(kind, node, root, fill, metrics=metrics, config=config)
    manifest = artifact.manifest
    inputs = {
        one.node: {"node": one.node, "kind": "", "fingerprint": one.fingerprint, "digest": one.digest} for one in before
    }
    changed = type(manifest).model_validate({**manifest.model_dump(), "inputs": inputs}).sealed()
    (artifact.path / MANIFEST).write_text(changed.model_dump_json())
    return artifact


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Corpus]:
    def make(sample: float = 1.0, **select: Any) -> Corpus:
        raw = made(
            tmp_path,
            "ingest.corpus",
            RawCorpus,
            {"account": {**ACCOUNT, **({"documents_dropped": 90, "bytes_dropped": 9000} if sample < 1 else {})}},
            {"sources": [], "sample": sample},
        )
        edits = [
            {"edit": "html", "documents": 5, "cut": 70, "inserted": 20, "emptied": 0},
            {"edit": "pii", "documents": 2, "cut": 30, "inserted": 18, "emptied": 0, "counts": {"email": 2, "iban": 1}},
        ]
        clean = made(tmp_path, "clean", CleanCorpus, {"account": ACCOUNT, "edits": edits}, {}, raw)
        measures = made(tmp_path, "measure", Measures, {}, {"signature": {"permutations": 112}}, clean)
        metrics = {
            "account": {"documents_kept": 1234, "bytes_kept": 56700},
            "steps": STEPS,
            "sources": {
                "docs": {"documents_in": 1300, "documents_kept": 1200, "bytes_in": 60000, "bytes_kept": 56000},
                "no|tes": {"documents_in": 50, "documents_kept": 34, "bytes_in": 900, "bytes_kept": 700},
            },
            "languages": {"en": 1230, "de": 4},
            "decontamination": {"held_out_texts": 7, "boilerplate_ngrams": 0},
            "listed": {
                "drop": {"listed": 2, "found": 1, "same_text": 4, "near": 1, "twins": [{"document": f"doc:{32 * '5'}"}]}
            },
        }
        config = {**SELECT, **select}
        facts = corpus_facts(config, metrics, clean.manifest, measures.manifest, REPORTED)

        def card(folder: Path) -> None:
            write_card(folder, facts)

        return made(tmp_path, "select", Corpus, metrics, config, clean, measures, fill=card)

    return make


def test_the_facts_are_those_of_the_manifests(corpus: Callable[..., Corpus]) -> None:
    facts = read_facts(corpus(), {"docs": "CC-BY-4.0", "no|tes": ""})
    assert json.loads(json.dumps(facts)) == facts
    assert [one["licence"] for one in facts["sources"]] == ["CC-BY-4.0", None]
    assert [one["node"] for one in facts["made_from"]] == ["ingest.corpus", "clean", "measure"]
    assert facts["personal_data"] == {"pii": {"email": 2, "iban": 1}}
    assert [(row["step"], row["documents"], row["bytes"]) for row in facts["funnel"]] == [
        ("quarantined", 3, 300),
        ("html", 0, 50),
        ("pii", 0, 12),
        ("left empty", 0, 0),
        *((row["step"], row["documents"], row["bytes"]) for row in STEPS if row["step"] != "perplexity"),
    ]
    assert (facts["duplicates"]["exact"], facts["duplicates"]["near"]) == (5, 6)


def test_the_card_says_what_a_reader_must_know(corpus: Callable[..., Corpus]) -> None:
    card = corpus_card(read_facts(corpus(), {"docs": "CC-BY-4.0"}))
    for line in (
        "1 234 documents, 56.7 kB of text (UTF-8), for learning without labels.",
        "| docs | CC-BY-4.0 | 1 200 | 1 300 | 56.0 kB | 60.0 kB |",
        "| no\\|tes | not stated | 34 | 50 | 700 B | 900 B |",
        "| en | 1 230 |",
        "| email (pii) | 2 |",
        "- Of pairs at that threshold 92% are found by 14 bands; of more alike ones, more.",  # 1 − (1 − 0.8⁸)¹⁴
        "- No licence is stated for no|tes (`ingest.corpus.sources.*.licence`).",
        "| perplexity | bits per byte: too high | 7.25 | 4 | `x\\|y 'z' ![](http://a.b)` |",
        "Listed so far: 2 ids, 1 of documents that come in; others that had the text of one of these, and went as "
        "well: 4.",
        f"Kept documents that are near-duplicates of listed ones: 1 (`doc:{32 * '5'}`).",
    ):
        assert line in card.splitlines(), line
    assert "underestimated" not in card


def test_what_was_not_done_is_said(corpus: Callable[..., Corpus]) -> None:
    facts = read_facts(corpus(sample=0.1, near_duplicates=None, exact_duplicates=False), {})
    card = corpus_card(facts)
    assert facts["sample"] == 0.1
    assert ("ingest", "not in the sample", 90, 9000) in [tuple(row.values()) for row in facts["funnel"]]
    for part in ("Equal texts were left in.", "Near-duplicates were left in.", "their number is underestimated"):
        assert part in card


def test_what_is_gone_is_not_made_up(corpus: Callable[..., Corpus]) -> None:
    made = corpus()
    for node in ("clean", "measure", "ingest.corpus"):
        remove_tree(made.path.parent.parent / node)
    facts = read_facts(made, {})
    assert (facts["personal_data"], facts["sample"], facts["made_from"]) == ({"pii": {"email": 2, "iban": 1}}, None, [])


def test_the_card_lies_in_the_artifact_and_says_what_it_leaves_to_the_configuration(corpus: Callable[..., Corpus]):
    made = corpus()
    assert {CARD, FACTS} <= set(made.manifest.files)
    facts, card = json.loads((made.path / FACTS).read_text()), (made.path / CARD).read_text()
    assert facts["documents"] == 1234
    assert "licence" not in facts["sources"][0]
    assert "| docs | 1 200 | 1 300 | 56.0 kB | 60.0 kB |" in card.splitlines()
    assert "not stated" not in card
    assert "`ingest.corpus.sources.*.licence`" in card
    assert str(made.path) not in card
    assert made.digest not in card


def test_the_card_stands_with_the_artifact_in_mlflow(corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    tracking = Tracking(Workspace(tmp_path), {"docs": "CC-BY-4.0"})
    tracking.start_road("m", "road", {})
    run = tracking.node_started("select", {}, {})
    run.finished(corpus())
    assert not run.lost
    folder = Path(tracking.client.download_artifacts(run.run_id, "", str(tmp_path)))
    assert "| docs | CC-BY-4.0 |" in (folder / "card.md").read_text()
    assert json.loads((folder / "card.json").read_text())["languages"] == {"en": 1230, "de": 4}
