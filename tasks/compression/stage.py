"""Stage `compress`: the student as a small file that is fast on a CPU."""

from __future__ import annotations

from pipeline_config.compression import CompressConfig
from tasks.runtime.artifact import CompressedModel, LabelledData, TaskModel
from tasks.runtime.stage import Context, stage


@stage("compress", version=1)
def compress(ctx: Context, config: CompressConfig, student: TaskModel, labels: LabelledData) -> CompressedModel:
    """Export `student` to ONNX, prove that the graph computes the same, and write it by the chosen backend.

    Metrics: `parity` (largest difference of a log-probability between torch and the float32 graph, nats), `agreement`
    (share of validation texts that keep their class), `validation` (accuracy and macro-F1 after compression),
    `size_bytes` of `model.onnx` and `parent_size_bytes` of the student's weights.

    Raises:
        StageFailed: the graph and torch differ by more than `parity_tolerance`.
    """
    from tasks.compression.compressing import compress_classifier

    metrics = compress_classifier(ctx, config, student, labels)
    return ctx.finish(CompressedModel, metrics=metrics)
