"""Stage `evaluate`: every model on the same test set, with what it gained and what it cost."""

from __future__ import annotations

from pipeline_config.evaluation import EvaluateConfig
from tasks.runtime.artifact import (
    Checkpoint,
    CompressedModel,
    Evaluation,
    InputFiles,
    LabelledData,
    RawCorpus,
    TaskModel,
)
from tasks.runtime.stage import Context, stage


@stage("evaluate", version=3)
def evaluate(
    ctx: Context,
    config: EvaluateConfig,
    labels: LabelledData,
    models: dict[str, TaskModel],
    compressed: dict[str, CompressedModel],
    base: InputFiles,
    adapted: Checkpoint | None,
    general: RawCorpus | None,
) -> Evaluation:
    """Judge each model on the test split; nothing is chosen by it.

    Args:
        models: `frozen` (the base with a linear probe), `base`, `compact` and `adapted` (fine-tuned), `student`; any
            may be missing. Further seeds are `base.s43` and so on. The probes that `compact` and `adapted` started from
            are rungs of their own.
        compressed: made from `student`, by variant (`int8`).
        base: the base model, whose layers `compact` started from.
        adapted: the encoder that `adapted` started from.
        general: general text, for what adaptation cost there; None: not measured.

    Metrics: `rungs` (rows of the ladder, see `tasks.evaluation.ladder`), `paired` (differences of each variant to the
    baselines and to the model it was made from: `int8-vs-student` and so on, by metric), `agreement` (by compressed
    variant: share of test documents that keep the parent's class), `forgetting`, `test_digest`, `test_documents`,
    `test_groups`, `tfidf` (what was chosen). Files: `ladder.json` (the metrics), `per_class.json`,
    `predictions/<rung>.parquet` (id, group, label, predicted, probs; `probs` is null where a rung has none).
    Measured: `latency_ms.*`, `documents_per_second.*`, `speedup.*`, `cpu_seconds.tfidf`.
    """
    from tasks.evaluation.evaluating import run_evaluation

    metrics = run_evaluation(ctx, config, labels, models, compressed, base, adapted, general)
    return ctx.finish(Evaluation, metrics=metrics)
