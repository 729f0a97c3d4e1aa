"""Fine-tune a text classifier: a linear probe on frozen features, then (unless frozen) all weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from pipeline_config.finetuning import FrozenProbe, FullFinetune
from tasks.downstream.classification import (
    LabelledSplit,
    accuracy,
    label_names,
    load_split,
    macro_f1,
    softmax,
    write_predictions,
)
from tasks.modelling.classifier import TextClassifier, new_classifier, save_classifier, save_head
from tasks.modelling.encoder import load_reader
from tasks.modelling.inference import collate, encode, extract_features, predict_logits
from tasks.modelling.linear_probe import PROBE, LinearProbe, fit_probe
from tasks.runtime.artifact import Checkpoint, InputFiles, LabelledData
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.training.device import use_device
from tasks.training.length_buckets import length_bucketed_batches
from tasks.training.loop import Batch, Trained, Validation, train
from tasks.training.optimizer import adamw
from tasks.training.schedule import linear_schedule


@dataclass(frozen=True)
class EncodedSplit:
    split: LabelledSplit
    rows: list[list[int]]
    """Token ids of every text."""


def fine_tune(
    ctx: Context,
    config: FullFinetune | FrozenProbe,
    data: LabelledData,
    encoder: Checkpoint | InputFiles,
) -> dict[str, Any]:
    """Write the classifier under `ctx.out`; return its metrics."""
    device = use_device(ctx.settings)
    names = label_names(data)
    dropout, seed = (config.dropout, config.seed) if isinstance(config, FullFinetune) else (0.0, 0)
    body, fast = load_reader(encoder, layers=config.layers, dropout=dropout)
    fast.truncation_side = config.truncation_side
    model = new_classifier(body, names, config.pooling, dropout=dropout, seed=seed).to(device)
    training = _encode(fast, load_split(data, "train"), config.max_seq_length)
    validation = _encode(fast, load_split(data, "validation"), config.max_seq_length)
    _check(training.split, names)

    metrics: dict[str, Any] = {
        "train_documents": len(training.split),
        "validation_documents": len(validation.split),
        "train_tokens_per_epoch": sum(map(len, training.rows)),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    match config:
        case FrozenProbe():
            probe_of = _probes(model, config, training, validation, fast.pad_token_id, device)
            probe = probe_of(config.probe_c)
            probe.copy_to(model.head)
            metrics |= {"probe_c": probe.c}
        case FullFinetune():
            if config.head_init == "linear_probe":
                probe_of = _probes(model, config, training, validation, fast.pad_token_id, device)
                probe = probe_of(config.probe_c)
                probe.copy_to(model.head)
                save_head(model.head, ctx.out / PROBE)
                metrics |= {"probe_c": probe.c, "probe_validation_macro_f1": probe.score}
                probe_of((config.head_c,)).copy_to(model.head)
            trained = _train(ctx, config, model, training, validation, fast.pad_token_id, device)
            epoch_steps = -(-len(training.split) // config.train_batch_size)
            metrics |= {
                "steps": trained.steps,
                "best_epoch": trained.best_step // epoch_steps,
                "validation_macro_f1_by_epoch": [score for _, score in trained.history],
            }
        case _:
            assert_never(config)

    logits = predict_logits(model, validation.rows, pad_token_id=fast.pad_token_id, device=device).numpy()
    write_predictions(ctx.out / "predictions" / "validation.parquet", validation.split, softmax(logits))
    save_classifier(model, fast, ctx.out, max_seq_length=config.max_seq_length)
    metrics["validation_accuracy"] = accuracy(validation.split.labels, logits.argmax(1))
    metrics["validation_macro_f1"] = macro_f1(validation.split.labels, logits.argmax(1))
    return metrics


def _encode(tokenizer: PreTrainedTokenizerBase, split: LabelledSplit, max_seq_length: int) -> EncodedSplit:
    return EncodedSplit(split, encode(tokenizer, split.texts, max_seq_length))


def _check(training: LabelledSplit, names: Sequence[str]) -> None:
    missing = sorted(set(range(len(names))) - set(training.labels.tolist()))
    if missing:
        raise RefusedInput(
            f"label {names[missing[0]]!r} has no text in the training split; a model cannot learn it. "
            f"Give it training rows, or leave it out: ingest.labels.drop: [{names[missing[0]]}]"
        )


def _probes(
    model: TextClassifier,
    config: FullFinetune | FrozenProbe,
    training: EncodedSplit,
    validation: EncodedSplit,
    pad_token_id: int,
    device: torch.device,
) -> Callable[[Sequence[float]], LinearProbe]:
    """Fits probes on the features of the encoder as it is now: a grid of C to the best probe on validation."""

    def features(encoded: EncodedSplit) -> tuple[Any, Any]:
        found = extract_features(model, encoded.rows, pad_token_id=pad_token_id, device=device)
        return found.numpy(), encoded.split.labels

    on_training, on_validation = features(training), features(validation)

    def fit(grid: Sequence[float]) -> LinearProbe:
        return fit_probe(
            on_training,
            on_validation,
            classes=len(model.labels),
            grid=grid,
            class_weights=config.class_weights,
            score=macro_f1,
        )

    return fit


def _train(
    ctx: Context,
    config: FullFinetune,
    model: TextClassifier,
    training: EncodedSplit,
    validation: EncodedSplit,
    pad_token_id: int,
    device: torch.device,
) -> Trained:
    labels = torch.from_numpy(training.split.labels)
    class_weight = torch.ones(len(model.labels))
    if config.class_weights == "balanced":
        class_weight = len(labels) / (len(model.labels) * torch.bincount(labels).float())
    lengths = [len(row) for row in training.rows]
    epoch_steps, chosen_at = length_bucketed_batches(lengths, config.train_batch_size, config.seed)
    steps = epoch_steps * config.num_train_epochs

    def batch_of(step: int) -> Batch:
        chosen = chosen_at(step)
        ids, mask = collate([training.rows[index] for index in chosen], pad_token_id)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels[chosen]}

    def loss_of(module: nn.Module, batch: Batch) -> Tensor:
        logits = module(batch["input_ids"], batch["attention_mask"]).logits
        return F.cross_entropy(logits.float(), batch["labels"], weight=class_weight.to(logits.device))

    def score(_: nn.Module) -> float:
        logits = predict_logits(model, validation.rows, pad_token_id=pad_token_id, device=device)
        return macro_f1(validation.split.labels, np.asarray(logits.argmax(1)))

    return train(
        ctx,
        model=model,
        optimizer=adamw(
            [(model.head, config.head_learning_rate), (model, config.learning_rate)], weight_decay=config.weight_decay
        ),
        schedule=linear_schedule(steps, int(steps * config.warmup_ratio)),
        steps=steps,
        seed=config.seed,
        batch_of=batch_of,
        loss_of=loss_of,
        weight_of=lambda batch: float(class_weight[batch["labels"]].sum()),
        tokens_of=lambda batch: int(batch["attention_mask"].sum()),
        precision=config.precision,
        clip_norm=config.max_grad_norm,
        validation=Validation(every=epoch_steps, score=score, patience=config.early_stopping_patience),
        name="finetune",
    )
