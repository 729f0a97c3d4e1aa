"""The folder of a registered version: an MLflow model whose root is also what the artifact was."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import sha256_of

FILES = "textmill/files.json"


@dataclass(frozen=True)
class Served:
    """How a version answers: code with a `Classifier(folder).predict(texts)`, and the packages that it needs."""

    code: Path
    packages: tuple[str, ...]
    example: str
    """A text for the input example."""


def build_folder(folder: Path, logged: Any, run_id: str, files: Mapping[str, Path], served: Served | None) -> None:
    """Write the MLflow model into `folder`, which does not exist yet."""
    from mlflow.models import Model

    description = Model(artifact_path=logged.artifact_location, run_id=run_id or None, model_id=logged.model_id)
    if served is None:
        folder.mkdir()
        description.add_flavor("textmill", loads_with="transformers.AutoModel")
        description.save(str(folder / "MLmodel"))
    else:
        _save_pyfunc(folder, description, served)
    for name, path in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)


def _save_pyfunc(folder: Path, description: Any, served: Served) -> None:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    serve = folder.with_name("serve.py")
    shutil.copyfile(served.code, serve)
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(Path(__file__).with_name("pyfunc.py")),
        artifacts={"serve": serve.as_uri()},
        mlflow_model=description,
        signature=ModelSignature(
            inputs=Schema([ColSpec("string", "text")]),
            outputs=Schema([ColSpec("string", "label"), ColSpec("double", "score")]),
        ),
        input_example={"text": [served.example]},
        pip_requirements=[*_pinned(("mlflow", "pandas")), *_pinned(served.packages)],
    )


def _pinned(packages: Sequence[str]) -> list[str]:
    """Requirements at the installed versions; a local build label (`+cpu`) is on no index and is left out."""
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in packages]


def list_files(folder: Path) -> str:
    """Write the list of the folder's files with their sha256 beside them; return the digest of the list."""
    listed = {
        path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    text = json.dumps(listed, indent=1).encode()
    (folder / FILES).parent.mkdir(exist_ok=True)
    (folder / FILES).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def changed_files(folder: Path, digest: str) -> tuple[str, ...]:
    """Files that are missing or differ from what was listed; `digest`: of the list itself."""
    try:
        text = (folder / FILES).read_bytes()
    except OSError:
        return (FILES,)
    if hashlib.sha256(text).hexdigest() != digest:
        return (FILES,)
    listed: dict[str, str] = json.loads(text)
    return tuple(
        name for name, sha256 in listed.items() if not (folder / name).is_file() or sha256_of(folder / name) != sha256
    )
