"""Which run `textmill report` draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.__main__ import main
from tasks.runtime.runs import RunRecord
from tasks.runtime.workspace import Workspace

RUNS = ("20260101T000000Z", "20260102T000000Z")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for run in RUNS:
        RunRecord(id=run, config_file="textmill.yaml", started="2026-01-01T00:00:00+00:00").save(Workspace(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("named", "drawn"), [([], 1), (["last~1"], 0), (["20260101"], 0), ([RUNS[1]], 1)])
def test_a_run_is_named_as_elsewhere(root: Path, named: list[str], drawn: int) -> None:
    assert main(["report", *named, "--workspace", str(root)]) == 0
    assert [file.parent.name for file in root.glob("runs/*/report.html")] == [RUNS[drawn]]


@pytest.mark.parametrize(
    ("named", "told"),
    [("2001", "no such run. On record: 20260102"), ("last~2", "2 runs are on record"), ("clean", "expected a run")],
)
def test_what_is_none_is_refused(root: Path, named: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", named, "--workspace", str(root)]) == 2
    assert told in capsys.readouterr().err
