"""What comes into a road from outside (data, base model, language model): by digest, never by path."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_config.ingest import PlainText, Source
from pipeline_config.pipeline import PipelineConfig
from tasks.ingest.resolve import resolve
from tasks.modelling.directory import check_model_directory
from tasks.runtime.artifact import InputFiles
from tasks.runtime.errors import RefusedInput
from tasks.runtime.store import Store

NOT_A_MODEL = ("*.md", "*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.ot", "*.onnx", "*.py")
"""Beside a model: papers, weights in other formats, code. None of it is read."""


@dataclass(frozen=True)
class Inputs:
    corpus: InputFiles
    benchmarks: InputFiles | None
    general: InputFiles | None
    labels: InputFiles
    base: InputFiles
    language_model: InputFiles


def find_inputs(config: PipelineConfig, store: Store) -> Inputs:
    """Find and digest every input file (digests are remembered).

    Raises:
        RefusedInput: something is not there, or the base model is not what the config expects.
    """
    general, benchmarks = config.ingest.general, config.ingest.benchmarks
    root, sha256 = store.workspace.root, store.digests.sha256
    base = resolve("files:base model", (_file("base", config.model.model_name_or_path, NOT_A_MODEL),), root, sha256)
    check_model_directory(base.folder, config.model.model_name_or_path)
    weights = [file for file in base.files if file.name.endswith(".safetensors")]
    if config.model.sha256 and [file.sha256 for file in weights] != [config.model.sha256]:
        raise RefusedInput(
            f"model.model_name_or_path={config.model.model_name_or_path}: {weights[0].name} has SHA-256 "
            f"{weights[0].sha256}, expected {config.model.sha256} (model.sha256): another model, or a damaged copy."
        )
    return Inputs(
        corpus=resolve("files:ingest.corpus", config.ingest.corpus.sources, root, sha256),
        benchmarks=resolve("files:ingest.benchmarks", benchmarks.sources, root, sha256) if benchmarks else None,
        general=resolve("files:ingest.general", general.sources, root, sha256) if general else None,
        labels=resolve("files:ingest.labels", config.ingest.labels.sources, root, sha256),
        base=base,
        language_model=find_language_model(config.measure.language.model_path, store),
    )


def find_language_model(path: str, store: Store) -> InputFiles:
    """The model that identifies languages."""
    source = _file("language model", path)
    return resolve("files:language model", (source,), store.workspace.root, store.digests.sha256)


def _file(name: str, path: str, exclude: tuple[str, ...] = ()) -> Source:
    return Source(name=name, path=(path,), exclude=exclude, format=PlainText(kind="text"))
