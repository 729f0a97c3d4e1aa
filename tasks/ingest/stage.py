"""Ingest: files of the user and of packages become documents with identity, and labelled splits."""

from __future__ import annotations

from pipeline_config.ingest import LabelsConfig, TextConfig
from tasks.runtime.artifact import InputFiles, LabelledData, RawCorpus
from tasks.runtime.stage import Context, stage


@stage("ingest", version=4)
def ingest_text(ctx: Context, config: TextConfig, files: InputFiles) -> RawCorpus:
    """Read text without labels into documents; what cannot be read is quarantined with file, line and reason."""
    from tasks.ingest.corpus import run

    metrics = run(ctx, config, files)
    return ctx.finish(RawCorpus, metrics=metrics)


@stage("ingest.labels", version=4)
def ingest_labels(ctx: Context, config: LabelsConfig, files: InputFiles) -> LabelledData:
    """Read labelled examples and part them into train, validation and test without near-duplicates across."""
    from tasks.ingest.labels import run

    metrics = run(ctx, config, files)
    return ctx.finish(LabelledData, metrics=metrics)
