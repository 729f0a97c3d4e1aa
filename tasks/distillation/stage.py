"""Distillation: a teacher's answers on labelled and unlabelled texts in, a smaller text classifier out."""

from __future__ import annotations

from pipeline_config.distillation import DistillConfig
from tasks.runtime.artifact import Checkpoint, Corpus, InputFiles, LabelledData, TaskModel
from tasks.runtime.stage import Context, stage


@stage("distill", version=1, gpus=0.25)
def distill(
    ctx: Context,
    config: DistillConfig,
    labels: LabelledData,
    teacher: TaskModel,
    student: Checkpoint | InputFiles | None,
    corpus: Corpus,
) -> TaskModel:
    """Train on the training split and on unlabelled texts of the corpus; choose the epoch on the validation split.

    `student` is the encoder to start from; None where the student is made of the teacher's layers. It reads with the
    tokenizer of its own folder. Labels, pooling and sequence length are the teacher's.
    """
    from tasks.distillation.student import train_student

    return ctx.finish(TaskModel, metrics=train_student(ctx, config, labels, teacher, student, corpus))
