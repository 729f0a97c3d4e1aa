"""Configured sources and their resolved files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_config.ingest import LabelsConfig, LabelSource, Source, TextConfig
from tasks.ingest.resolve import resolve
from tasks.runtime.artifact import InputFiles, sha256_of


def hashed(path: Path) -> tuple[str, int]:
    return sha256_of(path), path.stat().st_size


def files_for(config: TextConfig | LabelsConfig, workspace: Path) -> InputFiles:
    return resolve("files:ingest.test", config.sources, workspace, hashed)


def text_config(path: str | tuple[str, ...], **options: Any) -> TextConfig:
    return TextConfig(sources=(Source(name="docs", path=path, **options),))


def labels_config(path: str, *, source: dict[str, Any] | None = None, **options: Any) -> LabelsConfig:
    return LabelsConfig(sources=(LabelSource(name="labelled", path=path, **(source or {})),), **options)
