"""`textmill compare` on a real road."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import pytest

from flows.__main__ import main
from tests.e2e.conftest import Road
from tests.e2e.workspace import Textmill


def compare(textmill: Textmill, *arguments: str, code: int = 0) -> str:
    """What the command says, called in this process: it starts none."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        assert main(["compare", "--workspace", str(textmill.root), *arguments]) == code
    return err.getvalue() if code else out.getvalue()


@pytest.mark.long
def test_two_runs_with_another_threshold(copy: Textmill, road: Road) -> None:
    copy.run(
        "select.rules.0.minimum=13", "select.accept_losses=[word_count]", "finetune.dropout=0.2", "--until", "select"
    )
    moved = copy.root / "moved.jsonl"
    report = json.loads(compare(copy, "last~1", "last", "--json", "--moved", str(moved)))
    assert report["a"]["name"] == road.report["run"]
    assert report["settings"] == [
        {"key": "select.rules.word_count.minimum", "a": 4, "b": 13},
        {"key": "select.accept_losses", "a": [], "b": ["word_count"]},
        {"key": "finetune.dropout", "a": 0.1, "b": 0.2},  # from the records: no node of B has used it yet
    ]
    assert report["nodes"]["different"] == ["select"]
    assert "tokenizer" in report["nodes"]["only in A"]
    dropped = report["corpus"]["counts"]["kept to dropped"]["word_count"]
    assert report["corpus"]["a"]["kept"] - report["corpus"]["b"]["kept"] == dropped > 100
    rows = [json.loads(line) for line in moved.read_text().splitlines()]
    assert len(rows) == sum(sum(steps.values()) for steps in report["corpus"]["counts"].values())
    assert all(row["text"] for row in rows)
    said = compare(copy, "last~1", "last")
    assert f"B against A: {len(rows)} corpus documents moved" in said
    assert "scores: none that both have (B was not evaluated)" in said
    assert max(map(len, said.splitlines())) <= 100


def test_two_versions_and_two_models(copy: Textmill) -> None:
    versions = json.loads(compare(copy, "tiny/1", "tiny@champion", "--json"))
    models = json.loads(compare(copy, "finetune.base", "compress", "--json"))
    assert [versions["scores"][0][key] for key in "ab"] == [models["scores"][0][key] for key in "ab"]
    assert versions["scores"][0]["difference"] == models["scores"][0]["difference"]
    assert versions["flips"][""]["counts"] == models["flips"][""]["counts"]
    first = versions["flips"][""]["examples"][0]
    assert {"id", "turn", "label", "a", "b", "text"} <= first.keys()
    assert first["text"]
    assert "nothing" in compare(copy, "nothing", "last", code=2)
    assert "is a run and tiny/1 a version" in compare(copy, "last", "tiny/1", code=2)
