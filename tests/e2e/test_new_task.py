"""docs/add-a-task.md on a road: what it adds is one node more, and nothing else runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.how_to import copy_repository, follow
from tests.e2e.workspace import ROOT, Textmill, planned, ran


@pytest.mark.long
def test_the_new_task_is_one_node_more(copy: Textmill, tmp_path: Path) -> None:
    root = copy_repository(tmp_path / "repository")
    follow(ROOT / "docs" / "add-a-task.md", root)
    textmill = copy.with_environment(PYTHONPATH=str(root))
    config = copy.root / "textmill.yaml"
    config.write_text(config.read_text() + "retrieve: {neighbours: 3}\n")
    assert planned(textmill.plan()) == ["retrieve"]
    assert ran(textmill.run("--until", "retrieve")) == ["retrieve"]
    assert "precision" in textmill("show", "retrieve").out
