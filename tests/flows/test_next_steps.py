"""What `textmill run` proposes at its end can be typed as it stands."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest

from flows.commands.run import _executable, _next_steps
from tasks.runtime.workspace import Workspace

TEXT = 'It\'s "open" to $HOME:\n\n  everybody may read the bucket, list its contents and delete them'


def proposed(root: Path) -> list[list[str]]:
    """The commands, as the words that a shell makes of them."""
    workspace = Workspace(root)
    splits = {"test": datasets.Dataset.from_dict({"text": [TEXT, "another"]})}
    labels = workspace.artifact("ingest.labels", "f1")
    datasets.DatasetDict(splits).save_to_disk(str(labels / "data"))
    lines: list[str] = []
    loaded: Any = SimpleNamespace(
        config=SimpleNamespace(model=SimpleNamespace(name="shop")),
        arguments=SimpleNamespace(file=root / "textmill.yaml"),
        store=SimpleNamespace(workspace=workspace),
    )
    outcome: Any = SimpleNamespace(
        promotion=SimpleNamespace(champion=1, candidate=1),
        record=SimpleNamespace(nodes={"ingest.labels": SimpleNamespace(fingerprint="f1")}),
    )
    terminal: Any = SimpleNamespace(line=lines.append)
    _next_steps(loaded, outcome, terminal)
    return [shlex.split(line) for line in "".join(lines).strip().removeprefix("next:").split("\n")]


def test_the_example_is_of_the_labelled_data(tmp_path: Path) -> None:
    predict, plan, show = proposed(tmp_path / "two words")
    assert predict[1:] == [
        "predict",
        "shop@champion",
        "--workspace",
        str(tmp_path / "two words"),
        "--text",
        'It\'s "open" to $HOME: everybody may read the bucket, list',
    ]
    assert plan[1:3] == ["plan", str(tmp_path / "two words" / "textmill.yaml")]
    assert show[-2:] == ["--workspace", str(tmp_path / "two words")]


def test_the_program_that_is_not_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ".venv/bin/textmill"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.chdir(tmp_path)
    assert _executable() == ".venv/bin/textmill"
    monkeypatch.chdir(program.parent)
    assert _executable() == "./textmill"
    monkeypatch.chdir(Path(__file__).parent)
    assert _executable() == str(program)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert _executable() == "textmill"
