"""Fine-tuning: labelled texts and an encoder in, a text classifier out."""

from __future__ import annotations

from pipeline_config.finetuning import FinetuneConfig
from tasks.runtime.artifact import Checkpoint, InputFiles, LabelledData, TaskModel
from tasks.runtime.stage import Context, stage


@stage("finetune", version=1, gpus=0.25)
def finetune(
    ctx: Context,
    config: FinetuneConfig,
    labels: LabelledData,
    encoder: Checkpoint | InputFiles,
) -> TaskModel:
    """Train on the training split, choose on the validation split; the test split is not opened.

    Beside the classifier the artifact holds `predictions/validation.parquet` and, where the head started from a linear
    probe, `probe.safetensors` (see `tasks.modelling.linear_probe.load_probe`).
    """
    from tasks.finetuning.classifier import fine_tune

    return ctx.finish(TaskModel, metrics=fine_tune(ctx, config, labels, encoder))
