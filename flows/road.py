"""The road from raw text to a served model, as one function: a call per node, in the order the data flow.

It branches on the config alone, never on what an artifact holds; so it can be walked without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from flows.inputs import Inputs
from pipeline_config.finetuning import FinetunePartName
from pipeline_config.pipeline import PipelineConfig
from tasks.compression.stage import compress
from tasks.curation.stage import clean, measure, select
from tasks.distillation.stage import distill
from tasks.evaluation.stage import evaluate
from tasks.finetuning.stage import finetune
from tasks.ingest.stage import ingest_labels, ingest_text
from tasks.packing.stage import pack
from tasks.pretraining.stage import pretrain
from tasks.runtime.artifact import Checkpoint, CompressedModel, Evaluation, InputFiles, TaskModel
from tasks.runtime.stage import Call
from tasks.tokenizer.stage import tokenizer as make_tokenizer


@dataclass
class Milestones:
    """What a road leads to: what is registered, judged and shown."""

    models: dict[str, TaskModel] = field(default_factory=dict)
    """`frozen`, `base`, `compact`, `adapted`, `student`; of further seeds `base.s43` and so on."""
    compressed: dict[str, CompressedModel] = field(default_factory=dict)
    """By variant: `int8` or `fp32`."""
    checkpoint: Checkpoint | None = None
    evaluation: Evaluation | None = None


def road(config: PipelineConfig, inputs: Inputs, call: Call) -> Milestones:
    """Walk the road; `call` plans or runs each node."""
    reached = Milestones()
    raw = call(ingest_text, "corpus", config.ingest.corpus, inputs.corpus)
    general = None
    if config.ingest.general is not None and inputs.general is not None:
        general = call(ingest_text, "general", config.ingest.general, inputs.general)
    benchmarks = None
    if config.ingest.benchmarks is not None and inputs.benchmarks is not None:
        benchmarks = call(ingest_text, "benchmarks", config.ingest.benchmarks, inputs.benchmarks)
    labels = call(ingest_labels, "", config.ingest.labels, inputs.labels)

    cleaned = call(clean, "", config.clean, raw)
    measures = call(measure, "", config.measure, cleaned, inputs.language_model)
    corpus = call(select, "", config.select, cleaned, measures, labels, benchmarks)

    tokenizer = call(make_tokenizer, "", config.tokenizer, inputs.base, corpus, general)
    packed = call(pack, "", config.pack, corpus, tokenizer)
    adapted = call(pretrain, "", config.pretrain, inputs.base, tokenizer, packed)
    reached.checkpoint = adapted

    for part in get_args(FinetunePartName):
        encoder: Checkpoint | InputFiles = adapted if part == "adapted" else inputs.base
        for index, seed in enumerate(config.finetune.seeds_of(part)):
            suffix = f".s{seed}" if index else ""
            model = call(finetune, part + suffix, config.finetune.node_config(part, seed), labels, encoder)
            reached.models[part + suffix] = model

    start = adapted if config.distill.student.kind == "checkpoint" else None
    student = call(distill, "", config.distill, labels, reached.models["base"], start, corpus)
    reached.models["student"] = student
    served = call(compress, "", config.compress, student, labels)
    reached.compressed[config.compress.backend.kind.removeprefix("onnx_")] = served

    reached.evaluation = call(
        evaluate,
        "",
        config.evaluate,
        labels,
        reached.models,
        reached.compressed,
        inputs.base,
        adapted,
        general,
    )
    return reached
