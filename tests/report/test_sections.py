"""The sentences and figures of single sections."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.report.material import Material
from tasks.report.sections import funnel, gates, ladder, origin, pairs, settings, tokenizer, verdict
from tasks.runtime.workspace import Workspace
from tests.report.conftest import Made
from tests.report.nasty import TEXTS

GATE = {"name": "above majority", "needs": "interval > 0", "has": "+0.1 [+0.0, +0.2]", "passed": True, "note": ""}
OUTCOME = {"model": "m", "version": 3, "variant": "int8", "promoted": False, "champion": None, "former": None} | {
    "overridden": "",
    "withdrawn": False,
    "gates": [GATE, GATE],
}
WHICH = "m version 3 (student int8)"


def told(made: Made, **promotion: Any) -> tuple[str, str]:
    workspace, record = made
    material = Material(workspace, record.model_copy(update={"promotion": {**OUTCOME, **promotion}}))
    shown = verdict.build(material)
    return shown["stamp"], shown["sentence"]


@pytest.mark.parametrize(
    ("promotion", "stamp", "sentence"),
    [
        ({"promoted": True, "champion": 3}, "in use", f"{WHICH} passed all 2 gates and is now in use."),
        (
            {"promoted": True, "champion": 3, "overridden": "it is Friday"},
            "in use all the same",
            f"{WHICH} is in use against the advice of its gates, for this reason: it is Friday",
        ),
        ({"champion": 3}, "in use", f"{WHICH} was in use already and stays in use; this run changed nothing."),
        (
            {"champion": 2, "gates": [GATE, {**GATE, "passed": False, "note": "loses 0.040 macro-F1"}]},
            "not in use",
            f"{WHICH} was not put into use, because it loses 0.040 macro-F1; version 2 stays in use.",
        ),
        ({}, "open", f"{WHICH} passed all 2 gates; it waits for a person to put it into use; no version is in use."),
        (
            {"withdrawn": True, "champion": 1},
            "open",
            f"{WHICH} passed all 2 gates; since it was taken out of use before, it waits for a person to put it into "
            "use; version 1 stays in use.",
        ),
        (
            {"rejected": True, "champion": 1},
            "not in use",
            f"{WHICH} passed all 2 gates, but a person who was asked rejected it; version 1 stays in use.",
        ),
    ],
)
def test_the_verdict_is_one_sentence(made: Made, promotion: dict[str, Any], stamp: str, sentence: str) -> None:
    assert told(made, **promotion) == (stamp, sentence)


@pytest.mark.parametrize(
    ("status", "nodes", "stamp", "sentence"),
    [
        ("failed", 4, "failed", "This run failed after measure: the disk is full"),
        ("failed", 0, "failed", "This run failed before its first step was done: the disk is full"),
        ("stopped", 3, "open", "This run was stopped after clean; what was done is kept"),
        ("completed", 5, "open", "This run ended, as it was asked to, after select; no model was judged."),
        ("completed", 99, "open", "The models of this run were judged; whether one was put into use is not"),
    ],
)
def test_the_verdict_of_a_part_of_the_road(made: Made, status: str, nodes: int, stamp: str, sentence: str) -> None:
    workspace, record = made
    names = ["ingest.corpus", "ingest.labels", "clean", "measure", "select", *list(record.nodes)[5:]]
    part = {name: record.nodes[name] for name in names[:nodes]}
    changes = {"promotion": None, "status": status, "nodes": part, "error": "the disk\n is full"}
    shown = verdict.build(Material(workspace, record.model_copy(update=changes)))
    assert shown["stamp"] == stamp
    assert shown["sentence"].startswith(sentence)


def entry(action: str, before: int | None, after: int | None) -> dict[str, Any]:
    return {"id": "x", "when": "2026-01-03", "who": "me", "model": "m", "action": action, "verdict": "passed"} | {
        "from": {"champion": before},
        "to": {"champion": after},
        "reason": "",
    }


@pytest.mark.parametrize(
    ("ledger", "champion", "unchecked", "since"),
    [
        ([], None, None, ""),
        ([], 2, 2, "Version 2 was set by hand in the registry: its gates were not checked."),
        ([entry("promote", None, 3)], 3, None, ""),
        (
            [entry("promote", None, 3), entry("promote", 3, 5)],
            3,
            None,
            "Since 2026-01-03 00:00:00 version 5 is in use.",
        ),
        ([entry("external", None, 3)], 3, 3, "Version 3 was set by hand in the registry: its gates were not checked."),
        ([entry("external", None, 3), entry("promote", 3, 3)], 3, None, ""),
        (
            [entry("external", None, 1), entry("promote", 1, 3), entry("rollback", 3, 1)],
            3,
            1,
            "Since 2026-01-03 00:00:00 version 1",
        ),
        (
            [entry("promote", None, 3), entry("rollback", 3, None)],
            3,
            None,
            "Since 2026-01-03 00:00:00 no version is in use.",
        ),
    ],
)
def test_a_champion_set_by_hand_is_said(
    made: Made, tmp_path: Path, ledger: list[dict[str, Any]], champion: int | None, unchecked: int | None, since: str
) -> None:
    _, record = made
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in ledger))
    changes = {"promotion": {**OUTCOME, "champion": champion}, "config": {"model": {"name": "m"}}, "nodes": {}}
    material = Material(Workspace(tmp_path), record.model_copy(update=changes))
    assert gates.build(material)["unchecked"] == unchecked
    assert verdict.build(material)["since"].startswith(since)
    assert bool(verdict.build(material)["since"]) == bool(since)


@pytest.mark.parametrize(
    ("alias", "unchecked", "since"),
    [
        (3, None, ""),
        (2, 2, "Now version 2 is in use. Version 2 was set by hand"),
        (None, None, "Now no version is in use."),
    ],
)
def test_an_alias_moved_outside_is_said_before_the_ledger_knows(
    made: Made, tmp_path: Path, alias: int | None, unchecked: int | None, since: str
) -> None:
    """The table as MLflow makes it."""
    _, record = made
    (tmp_path / "ledger.jsonl").write_text(json.dumps(entry("promote", None, 3)) + "\n")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(
            "CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT, workspace TEXT)"
        )
        if alias:
            database.execute("INSERT INTO registered_model_aliases VALUES ('champion', ?, 'm', 'default')", (alias,))
    changes = {"promotion": {**OUTCOME, "champion": 3}, "config": {"model": {"name": "m"}}, "nodes": {}}
    material = Material(Workspace(tmp_path), record.model_copy(update=changes))
    assert gates.build(material)["unchecked"] == unchecked
    assert verdict.build(material)["since"].startswith(since)
    assert bool(verdict.build(material)["since"]) == bool(since)


def test_gates_stand_at_their_distance_from_the_threshold(made: Made) -> None:
    data = gates.build(Material(*made))
    assert [round(gate["margin"], 6) for gate in data["gates"]] == [20.0, -48.0]
    assert ">passed, +20.0<" in data["plots"]["wide"]
    assert ">refused, −48.0<" in data["plots"]["narrow"]
    assert 'class="cross"' not in data["plots"]["wide"]  # it lies beyond the drawing: an arrow
    assert 'class="point refused"' in data["plots"]["wide"]


def test_the_ladder_says_what_is_certain(made: Made) -> None:
    data = ladder.build(Material(*made))
    assert data["best"]["title"] == "base, fine-tuned"
    assert "TF-IDF + linear" in data["better"]
    assert [row["title"] for row in data["rows"] if row["candidate"]] == ["student int8"]


def test_the_funnel_leaves_nothing_out(made: Made) -> None:
    material = Material(*made)
    data = funnel.build(material)
    corpus, cleaned = material.nodes["select"].metrics["account"], material.nodes["clean"].metrics["account"]
    assert data["documents"] == len(TEXTS) + 1
    assert data["documents_left"] == corpus["documents_kept"]
    assert data["bytes_left"] == corpus["bytes_kept"]
    assert data["cut"] == corpus["bytes_cut"]
    assert data["rows"][-1]["documents_left"] == corpus["documents_kept"]
    assert cleaned["documents_kept"] == corpus["documents_in"]
    assert sum(row["documents"] for row in data["rows"]) == data["documents"] - data["documents_left"]


def test_what_was_dropped_shows_the_passage_that_did_it(made: Made) -> None:
    samples = {group["step"]: group["entries"] for group in funnel.build(Material(*made))["samples"]}
    assert {
        "decontaminate",
        "exact",
        "longest word",
        "symbols",
        "lorem ipsum",
        "word count",
        "language",
    } <= samples.keys()
    assert "<mark>lorem ipsum</mark>" in samples["lorem ipsum"][0]["text"]
    assert "<mark>WWW" in samples["longest word"][0]["text"]
    assert "<mark>#</mark>" in samples["symbols"][0]["text"]
    assert "<mark>" in samples["decontaminate"][0]["text"]
    assert all(len(entries) <= 10 for entries in samples.values())
    assert all(len({entry["text"] for entry in entries}) == len(entries) for entries in samples.values())
    assert samples["exact"][0]["matched"]


def test_what_only_reports_shows_texts_of_each_tail(made: Made) -> None:
    groups = {group["step"]: group for group in funnel.build(Material(*made))["samples"]}
    assert groups["perplexity"]["reports"]
    assert not groups["symbols"]["reports"]
    entries = groups["perplexity"]["entries"]
    assert {entry["reason"].partition(":")[0] for entry in entries} == {"bits per byte"}
    assert {entry["reason"].split(": ")[1] for entry in entries} == {"too low", "too high"}
    assert all(entry["text"] for entry in entries)


def test_groups_of_near_duplicates_are_counted_with_the_one_that_stayed(made: Made) -> None:
    data = pairs.build(Material(*made))
    assert [one["groups"] for one in data["sizes"]] == [1, 0, 0, 0]  # one pair
    (group,) = data["groups"]
    assert (group["documents"], group["id"]) == (2, data["pairs"][0]["kept_id"])


def test_near_duplicates_have_their_differences_marked(made: Made) -> None:
    data = pairs.build(Material(*made))
    (pair,) = data["pairs"]
    both = pair["dropped"] + pair["kept"]
    assert "<del>" in pair["dropped"] or "<ins>" in pair["kept"]
    assert "&lt;b&gt;" not in both.replace("<del>", "").replace("<ins>", "") or "other" in both


def test_the_share_of_pairs_that_the_bands_find_is_drawn(made: Made) -> None:
    search = pairs.build(Material(*made))["search"]
    assert (search["bands"], search["rows"], round(search["found"], 2)) == (14, 8, 0.92)
    assert "92% at the threshold of 0.80" in search["drawing"]
    assert search["drawing"].count("<polyline") == 1


def test_words_are_cut_before_and_after_without_padding(made: Made) -> None:
    rows = {row["word"]: row for row in tokenizer.build(Material(*made))["rows"]}
    assert rows["kubernetes"]["after"] == ["kubernetes"]
    assert rows["kubernetes"]["before"][0] == "kube"
    assert rows["kubernetes"]["changed"]
    assert rows["bucket"] == {"word": "bucket", "before": ["bucket"], "after": ["bucket"], "changed": False}


def test_settings_say_who_wrote_them(made: Made) -> None:
    workspace, record = made
    config = {"model": {"name": "m", "base": "b"}, "select": {"rules": [{"kind": "language"}], "priority": ["a", "b"]}}
    written = {
        "model.name": "command line",
        "select.rules.0.kind": "cloud-security.yaml, line 7",
        "select.priority": "mine.yaml, line 2",
    }
    changed = record.model_copy(update={"config": config, "written": written, "config_file": "mine.yaml"})
    data = settings.build(Material(workspace, changed))
    kinds = {f"{group}.{one['name']}": one["kind"] for group, found in data["groups"].items() for one in found}
    assert kinds == {
        "model.name": "yours",
        "model.base": "default",
        "select.rules.0.kind": "preset",
        "select.priority": "yours",
    }
    assert data["presets"] == ["cloud-security.yaml"]


def test_each_source_has_its_licence_from_the_run_and_its_size_from_the_artifact(made: Made) -> None:
    workspace, record = made
    sources = [{"name": "web", "licence": "CC-BY-4.0"}, {"name": "mail"}]
    config = {"ingest": {"corpus": {"sources": sources}, "labels": {"sources": [{"name": "shop"}]}, "general": None}}
    material = Material(workspace, record.model_copy(update={"config": config}))
    accounts = {"web": {"documents_kept": 12, "bytes_kept": 3456}}
    raw = material.nodes["ingest.corpus"]
    material.nodes["ingest.corpus"] = replace(
        raw, manifest=raw.manifest.model_copy(update={"metrics": {**raw.manifest.metrics, "sources": accounts}})
    )
    assert origin.build(material)["sources"] == [
        {"name": "web", "part": "corpus", "licence": "CC-BY-4.0", "documents": 12, "bytes": 3456},
        {"name": "mail", "part": "corpus", "licence": "", "documents": None, "bytes": None},
        {"name": "shop", "part": "labels", "licence": "", "documents": None, "bytes": None},
    ]


def test_the_time_spent_counts_what_ran(made: Made, tmp_path: Path) -> None:
    workspace, record = made
    reused = {name: node.model_copy(update={"action": "reused"}) for name, node in record.nodes.items()}
    reused["compress"] = record.nodes["compress"]
    shutil.copytree(workspace.root, tmp_path / "copy")
    shown = verdict.build(Material(Workspace(tmp_path / "copy"), record.model_copy(update={"nodes": reused})))
    assert shown["tiles"][-1]["figure"] == "1.5\u202fs"
    assert shown["tiles"][-1]["note"] == f"1 step ran, {len(reused) - 1} reused from before: compress"
