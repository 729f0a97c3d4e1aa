"""What a fresh interpreter must not load: help, validation and planning answer in well under a second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "transformers",
    "prefect",
    "mlflow",
    "datasets",
    "sklearn",
    "pyarrow",
    "numpy",
    "numba",
    "onnxruntime",
)
PROGRAM = """
import sys
from flows.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("LOADED", *[name for name in {heavy!r} if name in sys.modules])
"""


def loaded(*arguments: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )
    assert "LOADED" in done.stdout, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ws")
    (folder / "textmill.yaml").write_text("preset: cloud-security\n")
    return folder


@pytest.mark.parametrize(
    "arguments", [("--help",), ("run", "--help"), ("validate",), ("validate", "--explain", "pretrain"), ("plan",)]
)
def test_nothing_heavy_is_loaded(workspace: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments, cwd=workspace) == set()


def test_the_config_needs_nothing_but_pydantic_and_yaml() -> None:
    program = (
        "import sys; import pipeline_config.load; "
        f"print([name for name in ({HEAVY!r} + ('tasks', 'flows')) if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_files_are_empty() -> None:
    root = Path(__file__).parents[2]
    full = [file for folder in ("flows", "tasks", "pipeline_config") for file in (root / folder).rglob("__init__.py")]
    assert full
    assert [file for file in full if file.stat().st_size] == []
