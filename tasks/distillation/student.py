"""Train a student on what its teacher says of labelled and unlabelled texts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, assert_never

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from pipeline_config.distillation import (
    CheckpointStudent,
    CrossEntropyLoss,
    DistillConfig,
    HiddenCosineLoss,
    SoftTargetsLoss,
    TeacherLayersStudent,
)
from tasks.distillation.losses.cross_entropy import NO_LABEL, cross_entropy
from tasks.distillation.losses.hidden_cosine import hidden_cosine
from tasks.distillation.losses.soft_targets import soft_targets
from tasks.distillation.transfer import transfer_texts
from tasks.downstream.classification import (
    LabelledSplit,
    accuracy,
    label_names,
    load_split,
    macro_f1,
    softmax,
    write_predictions,
)
from tasks.modelling.classifier import (
    LoadedClassifier,
    TextClassifier,
    load_classifier,
    new_classifier,
    save_classifier,
)
from tasks.modelling.encoder import encoder_folder, keep_layers, load_encoder, load_tokenizer, set_dropout
from tasks.modelling.inference import collate, encode, extract_features, predict_logits
from tasks.modelling.linear_probe import fit_probe
from tasks.runtime.artifact import Checkpoint, Corpus, InputFiles, LabelledData, TaskModel
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.training.device import use_device
from tasks.training.length_buckets import length_bucketed_batches
from tasks.training.loop import Batch, Trained, Validation, train
from tasks.training.optimizer import adamw
from tasks.training.schedule import linear_schedule


def train_student(
    ctx: Context,
    config: DistillConfig,
    data: LabelledData,
    teacher_model: TaskModel,
    student_encoder: Checkpoint | InputFiles | None,
    corpus: Corpus,
) -> dict[str, Any]:
    """Write the student under `ctx.out`; return its metrics."""
    device = use_device(ctx.settings)
    teacher = load_classifier(teacher_model.path)
    teacher.model.to(device)
    if label_names(data) != teacher.labels:
        raise RefusedInput(f"the teacher knows {list(teacher.labels)}, the labels are {list(label_names(data))}.")
    training, validation = load_split(data, "train"), load_split(data, "validation")
    unlabelled = transfer_texts(corpus, config.transfer_sources, config.max_transfer_documents)
    texts = [*training.texts, *unlabelled]
    teacher_rows = encode(teacher.tokenizer, texts, teacher.max_seq_length)
    teacher_logits = _teacher_logits(ctx, teacher, teacher_rows, device)

    student, tokenizer = _student(config, teacher, student_encoder)
    student.to(device)
    rows = encode(tokenizer, texts, teacher.max_seq_length)
    if any(isinstance(loss, HiddenCosineLoss) for loss in config.losses):
        _check_same_shape(teacher, student, same_tokens=rows == teacher_rows)
    validation_rows = encode(tokenizer, validation.texts, teacher.max_seq_length)
    pad = tokenizer.pad_token_id
    if config.head_init == "linear_probe":
        _start_from_probe(config, student, rows[: len(training)], training, validation_rows, validation, pad, device)

    labels = torch.full((len(texts),), NO_LABEL)
    labels[: len(training)] = torch.from_numpy(training.labels)

    def score(_: nn.Module) -> float:
        logits = predict_logits(student, validation_rows, pad_token_id=pad, device=device)
        return macro_f1(validation.labels, logits.argmax(1).numpy())

    trained, epoch_steps = _train(ctx, config, student, teacher, rows, labels, teacher_logits, pad, score)

    logits = predict_logits(student, validation_rows, pad_token_id=pad, device=device).numpy()
    write_predictions(ctx.out / "predictions" / "validation.parquet", validation, softmax(logits))
    save_classifier(student, tokenizer, ctx.out, max_seq_length=teacher.max_seq_length)
    teacher_predicted = predict_logits(
        teacher.model,
        encode(teacher.tokenizer, validation.texts, teacher.max_seq_length),
        pad_token_id=teacher.tokenizer.pad_token_id,
        device=device,
    ).numpy()
    return {
        "train_documents": len(training),
        "transfer_documents": len(unlabelled),
        "tokens_per_epoch": sum(map(len, rows)),
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
        "teacher_parameters": sum(parameter.numel() for parameter in teacher.model.parameters()),
        "steps": trained.steps,
        "best_epoch": trained.best_step // epoch_steps,
        "validation_macro_f1_by_epoch": [score for _, score in trained.history],
        "validation_accuracy": accuracy(validation.labels, logits.argmax(1)),
        "validation_macro_f1": macro_f1(validation.labels, logits.argmax(1)),
        "teacher_validation_macro_f1": macro_f1(validation.labels, teacher_predicted.argmax(1)),
        "validation_agreement": accuracy(teacher_predicted.argmax(1), logits.argmax(1)),
    }


def _student(
    config: DistillConfig, teacher: LoadedClassifier, encoder: Checkpoint | InputFiles | None
) -> tuple[TextClassifier, PreTrainedTokenizerBase]:
    """The untrained student and its tokenizer."""
    match config.student:
        case CheckpointStudent():
            if encoder is None:
                raise RefusedInput("distill.student.kind=checkpoint needs an encoder, and none was given.")
            folder = encoder_folder(encoder)
            body, tokenizer = load_encoder(folder, dropout=config.dropout), load_tokenizer(folder)
        case TeacherLayersStudent(layers=layers):
            body, tokenizer = copy.deepcopy(teacher.model.encoder), teacher.tokenizer
            keep_layers(body, layers)
            set_dropout(body.config, config.dropout)
            for module in body.modules():
                if isinstance(module, nn.Dropout):
                    module.p = config.dropout
        case _:
            assert_never(config.student)
    tokenizer.truncation_side = teacher.truncation_side
    student = new_classifier(body, teacher.labels, teacher.pooling, dropout=config.dropout, seed=config.seed)
    if config.head_init == "teacher":
        if student.head.in_features != teacher.model.head.in_features:
            raise RefusedInput(
                f"distill.head_init=teacher: the student is {student.head.in_features} wide, the teacher "
                f"{teacher.model.head.in_features}. Use linear_probe or scratch."
            )
        student.head.load_state_dict(teacher.model.head.state_dict())
    return student, tokenizer


def _teacher_logits(ctx: Context, teacher: LoadedClassifier, rows: list[list[int]], device: torch.device) -> Tensor:
    """The teacher's logits (N, C), computed once: a resumed training reads them back."""
    path = ctx.work / "teacher.safetensors"
    if not path.is_file():
        computed = predict_logits(
            teacher.model, rows, pad_token_id=teacher.tokenizer.pad_token_id, device=device, progress=ctx.progress
        )
        partial = path.with_suffix(".partial")
        save_file({"logits": computed}, partial)
        partial.rename(path)
    logits: Tensor = load_file(path)["logits"]
    return logits


def _check_same_shape(teacher: LoadedClassifier, student: TextClassifier, *, same_tokens: bool) -> None:
    widths = teacher.model.encoder.config.hidden_size, student.encoder.config.hidden_size
    if widths[0] != widths[1] or not same_tokens:
        raise RefusedInput(
            f"distill.losses: hidden_cosine needs equal widths and tokens; the teacher is {widths[0]} wide, the "
            f"student {widths[1]}, and their tokenizers {'agree' if same_tokens else 'differ'}. Leave this loss out."
        )


def _start_from_probe(
    config: DistillConfig,
    student: TextClassifier,
    rows: list[list[int]],
    training: LabelledSplit,
    validation_rows: list[list[int]],
    validation: LabelledSplit,
    pad: int,
    device: torch.device,
) -> None:
    def features(of: list[list[int]]) -> Any:
        return extract_features(student, of, pad_token_id=pad, device=device).numpy()

    probe = fit_probe(
        (features(rows), training.labels),
        (features(validation_rows), validation.labels),
        classes=len(student.labels),
        grid=(config.head_c,),
        class_weights="none",
        score=macro_f1,
    )
    probe.copy_to(student.head)


def _train(
    ctx: Context,
    config: DistillConfig,
    student: TextClassifier,
    teacher: LoadedClassifier,
    rows: list[list[int]],
    labels: Tensor,
    teacher_logits: Tensor,
    pad: int,
    score: Callable[[nn.Module], float],
) -> tuple[Trained, int]:
    lengths = [len(row) for row in rows]
    epoch_steps, chosen_at = length_bucketed_batches(lengths, config.train_batch_size, config.seed)
    steps = epoch_steps * config.num_train_epochs

    def batch_of(step: int) -> Batch:
        chosen = chosen_at(step)
        ids, mask = collate([rows[index] for index in chosen], pad)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels[chosen],
            "teacher_logits": teacher_logits[chosen],
        }

    def loss_of(module: nn.Module, batch: Batch) -> Tensor:
        output = module(batch["input_ids"], batch["attention_mask"])
        total = torch.zeros(len(batch["labels"]), device=output.logits.device)  # (B,)
        for loss in config.losses:
            match loss:
                case CrossEntropyLoss():
                    term = cross_entropy(output.logits.float(), batch["labels"])
                case SoftTargetsLoss():
                    term = soft_targets(output.logits.float(), batch["teacher_logits"], loss.temperature)
                case HiddenCosineLoss():
                    with torch.no_grad():
                        hidden = teacher.model(batch["input_ids"], batch["attention_mask"]).hidden
                    term = hidden_cosine(output.hidden.float(), hidden.float(), batch["attention_mask"])
                case _:
                    assert_never(loss)
            total = total + loss.weight * term
        return total.mean()

    trained = train(
        ctx,
        model=student,
        optimizer=adamw(
            [(student.head, config.head_learning_rate), (student, config.learning_rate)],
            weight_decay=config.weight_decay,
        ),
        schedule=linear_schedule(steps, int(steps * config.warmup_ratio)),
        steps=steps,
        seed=config.seed,
        batch_of=batch_of,
        loss_of=loss_of,
        tokens_of=lambda batch: int(batch["attention_mask"].sum()),
        precision=config.precision,
        clip_norm=config.max_grad_norm,
        validation=Validation(every=epoch_steps, score=score),
        name="distill",
    )
    return trained, epoch_steps
