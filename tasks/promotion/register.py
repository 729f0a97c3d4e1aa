"""Copy what a road made into the registry: which files, what serves them, which packages that needs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tasks.promotion.figures import example_text
from tasks.promotion.outcome import Registered
from tasks.runtime.artifact import Artifact, Checkpoint, TaskModel, files_of
from tasks.runtime.data_card import data_card
from tasks.runtime.model_folder import Served
from tasks.runtime.registry import Registry, Version

CARD = "README.md"
HERE = Path(__file__).parent
TORCH_PACKAGES = ("numpy", "safetensors", "tokenizers", "torch", "transformers")
ONNX_PACKAGES = ("numpy", "onnxruntime", "tokenizers")


def register_model(
    registry: Registry, model: str, variant: str, artifact: Artifact, labels: Path, run_id: str
) -> tuple[Version, bool]:
    torch = isinstance(artifact, TaskModel)
    served = Served(
        code=HERE / ("pyfunc_torch.py" if torch else "pyfunc_onnx.py"),
        packages=TORCH_PACKAGES if torch else ONNX_PACKAGES,
        example=example_text(labels),
    )
    files = {
        name.removeprefix("model/"): path
        for name, path in files_of(artifact.path).items()
        if not name.startswith("predictions/")
    }
    return registry.register(model, variant=variant, artifact=artifact, files=files, served=served, run_id=run_id)


def register_encoder(registry: Registry, model: str, checkpoint: Checkpoint, run_id: str) -> tuple[Version, bool]:
    files = {
        name.removeprefix("model/"): path
        for name, path in files_of(checkpoint.path).items()
        if name.startswith("model/")
    }
    version, new = registry.register(
        f"{model}-encoder", variant="encoder", artifact=checkpoint, files=files, served=None, run_id=run_id
    )
    if new:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / CARD).write_text(data_card(checkpoint.manifest), encoding="utf-8")
            version = registry.attach(version, Path(folder), {})
    return version, new


def summary(version: Version, new: bool) -> Registered:
    return Registered(version.model, version.version, version.variant, version.digest, version.node, new)
