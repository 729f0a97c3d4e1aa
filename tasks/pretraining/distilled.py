"""Embedding distillation as a stage: layers of the base, taught by the base on the domain's text."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_config.pretraining import EmbeddingDistillation, PretrainConfig
from tasks.modelling.encoder import load_encoder, load_tokenizer_artifact, quiet, resize_for_tokenizer
from tasks.modelling.inference import collate
from tasks.objectives.embedding_distillation import distillation_loss, hidden_states, teacher_states
from tasks.pretraining.sampling import Order, repeated, steps_of
from tasks.runtime.artifact import InputFiles, PackedCorpus, Tokenizer
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.training.device import use_device
from tasks.training.loop import Batch, step_seed, train
from tasks.training.optimizer import adamw
from tasks.training.packed import load_packed
from tasks.training.schedule import linear_schedule


def pretrain_distilled(
    ctx: Context,
    config: PretrainConfig,
    objective: EmbeddingDistillation,
    base: InputFiles,
    tokenizer: Tokenizer,
    corpus: PackedCorpus,
) -> dict[str, Any]:
    """Write `model/` (the student and its tokenizer) into `ctx.out`; return the metrics.

    A visit reads `max_seq_length` tokens of a document at most: its beginning, or, for `random_window_share` of the
    visits to a longer one, a window anywhere in it.
    """
    device = use_device(ctx.settings)
    packed = load_packed(corpus.path)
    words, new_tokens = load_tokenizer_artifact(tokenizer)
    teacher = load_encoder(base.folder, dropout=0.0)
    student = load_encoder(base.folder, layers=objective.layers, dropout=objective.dropout)
    longest = packed.facts.max_seq_length - 2
    positions = getattr(teacher.config, "max_position_embeddings", packed.facts.max_seq_length)
    if packed.facts.max_seq_length > positions:
        raise RefusedInput(
            f"pack.max_seq_length={packed.facts.max_seq_length}: the base model has positions for {positions} tokens; "
            "expected at most as many."
        )
    for encoder in (teacher, student):
        resize_for_tokenizer(encoder, words, new_tokens)
        encoder.to(device)
    teacher.requires_grad_(False)

    learnable = np.flatnonzero(~packed.heldout & (packed.lengths > 0))
    learnable = np.repeat(learnable, packed.copies[learnable])
    documents = repeated(learnable, packed.sources[learnable], packed.facts.sources, config.mixture, config.seed)
    read = np.minimum(packed.lengths, longest)  # (N,) tokens of a visit
    order = Order(read[documents] + 2, batch_size=config.train_batch_size, seed=config.seed, by_length=True)
    steps = steps_of(config, order)

    def batch_of(step: int) -> Batch:
        rng = np.random.Generator(np.random.PCG64(step_seed(config.seed, step, "window")))
        windows = []
        for document in documents[order.batch(step)]:
            last = int(packed.lengths[document]) - int(read[document])
            begin = int(rng.integers(last + 1)) if last and rng.random() < objective.random_window_share else 0
            windows.append(packed.window(document, begin, int(read[document])).tolist())
        return _batch(windows, packed.facts.pad_token_id)

    def loss_of(model: nn.Module, batch: Batch) -> Tensor:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        taught = teacher_states(teacher, ids, mask)
        return loss(hidden_states(model, ids, mask), taught, mask)

    loss = partial(distillation_loss, cosine_weight=objective.cosine_weight, hidden_weight=objective.hidden_weight)
    judged = _held_out(config, packed.heldout & (packed.lengths > 0), read)
    heldout = [
        _batch([packed.window(d, 0, int(read[d])).tolist() for d in judged[i : i + 16]], packed.facts.pad_token_id)
        for i in range(0, len(judged), 16)
    ]
    before = _mean_loss(student, loss_of, heldout)
    train(
        ctx,
        model=student,
        optimizer=adamw([(student, config.learning_rate)], weight_decay=config.weight_decay, betas=config.adam_betas),
        schedule=linear_schedule(steps, config.warmup_steps),
        steps=steps,
        seed=config.seed,
        batch_of=batch_of,
        loss_of=loss_of,
        tokens_of=lambda batch: int(batch["attention_mask"].sum()),
        precision=config.precision,
        clip_norm=config.max_grad_norm,
        ema_decay=config.ema_decay,
        name="pretrain",
    )
    after = _mean_loss(student, loss_of, heldout)
    with quiet():
        student.cpu().save_pretrained(ctx.out / "model")
    words.save_pretrained(ctx.out / "model")
    return {
        "heldout_loss": {"before": before, "after": after},
        "heldout_documents": len(judged),
        "steps": steps,
        "tokens": int(sum(order.lengths[order.batch(step)].sum() for step in range(steps))),
        "parameters": sum(p.numel() for p in student.parameters()),
    }


def _batch(windows: list[list[int]], pad_token_id: int) -> Batch:
    ids, mask = collate(windows, pad_token_id)
    return {"input_ids": ids, "attention_mask": mask}


def _held_out(
    config: PretrainConfig, candidates: np.ndarray[Any, np.dtype[np.bool_]], read: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Held-out documents, about `heldout_tokens` of them, by length."""
    documents = np.flatnonzero(candidates)  # in the order of their ids, which are hashes
    enough = int(np.searchsorted(np.cumsum(read[documents]), config.heldout_tokens)) + 1
    documents = documents[:enough]
    return documents[np.argsort(read[documents], kind="stable")]


@torch.no_grad()
def _mean_loss(student: nn.Module, loss_of: Any, batches: list[Batch]) -> float:
    """Mean over documents."""
    student.eval()
    device = next(student.parameters()).device
    total = sum(
        float(loss_of(student, {name: tensor.to(device) for name, tensor in batch.items()})) * len(batch["input_ids"])
        for batch in batches
    )
    return total / sum(len(batch["input_ids"]) for batch in batches)
