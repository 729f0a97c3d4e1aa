"""The notebook, executed cell by cell in a fresh kernel on a workspace whose road has been run."""

from __future__ import annotations

import ast

import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e.conftest import Road
from tests.e2e.workspace import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_no_output_and_defines_nothing(path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            for node in ast.walk(ast.parse(cell.source)):
                assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, road: Road, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Every cell answers and none of them warns; the workspace stays as it is."""
    monkeypatch.setenv("TEXTMILL_WORKSPACE", str(road.root))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = {file: file.stat().st_mtime_ns for file in (road.root / "artifacts").rglob("*")}
    notebook = read(path)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert {file: file.stat().st_mtime_ns for file in (road.root / "artifacts").rglob("*")} == before
    said = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert all(output.output_type == "stream" and output.name == "stdout" for output in said), said
    text = "".join(output.text for output in said)
    for expected in ("student int8", "documents kept", "adapted  macro-F1", "differ on", "exposure"):
        assert expected in text, text
