"""Masked language modelling as a stage: from a base or from scratch, with the held-out loss before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import BertConfig

from pipeline_config.pretraining import FromScratch, MaskedLanguageModelling, PretrainConfig
from tasks.modelling.encoder import load_encoder, load_tokenizer_artifact, resize_for_tokenizer
from tasks.objectives.mlm import (
    fit_head,
    mask_tokens,
    masked_lm_loss,
    masked_tokens,
    mean_loss,
    new_masked_lm,
    save_masked_lm,
    scratch_masked_lm,
)
from tasks.pretraining.sampling import Order, repeated, steps_of
from tasks.runtime.artifact import InputFiles, PackedCorpus, Tokenizer
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.training.device import use_device
from tasks.training.loop import Batch, step_seed, train
from tasks.training.optimizer import adamw
from tasks.training.packed import Packed, load_packed
from tasks.training.schedule import linear_schedule


def pretrain_mlm(
    ctx: Context,
    config: PretrainConfig,
    objective: MaskedLanguageModelling,
    base: InputFiles,
    tokenizer: Tokenizer,
    corpus: PackedCorpus,
) -> dict[str, Any]:
    """Write `model/` and `masked_lm/` into `ctx.out`; return the metrics.

    Held-out loss *before* is that of the frozen base with its new head fitted for `head_warmup_steps` (from scratch:
    of random weights); training goes on from there.
    """
    device = use_device(ctx.settings)
    packed = load_packed(corpus.path)
    words, new_tokens = load_tokenizer_artifact(tokenizer)
    init = objective.init
    pooler = None
    if init.kind == "scratch":
        model = scratch_masked_lm(_scratch_config(init, objective, packed), seed=config.seed)
    else:
        encoder = load_encoder(base.folder)
        _check_lengths(packed.facts.max_seq_length, encoder.config.max_position_embeddings, "the base model")
        resize_for_tokenizer(encoder, words, new_tokens)
        model = new_masked_lm(encoder, dropout=objective.dropout, seed=config.seed)
        pooler = encoder.pooler
    model.to(device)

    train_rows = np.flatnonzero(packed.rows[:, 1] == 0)
    rows = repeated(train_rows, packed.rows[train_rows, 0], packed.facts.sources, config.mixture, config.seed)
    order = Order(packed.row_tokens[rows], batch_size=config.train_batch_size, seed=config.seed, by_length=False)
    steps = steps_of(config, order)
    heldout = _held_out(config, objective, packed)

    def batch_of(step: int) -> Batch:
        return _masked(objective, packed, packed.batch(rows[order.batch(step)]), step_seed(config.seed, step, "mask"))

    if init.kind == "base":
        fit_head(
            ctx,
            model,
            batch_of,
            steps=objective.head_warmup_steps,
            learning_rate=objective.head_learning_rate,
            seed=config.seed,
            precision=config.precision,
        )
    before = mean_loss(model, heldout)
    train(
        ctx,
        model=model,
        optimizer=adamw([(model, config.learning_rate)], weight_decay=config.weight_decay, betas=config.adam_betas),
        schedule=linear_schedule(steps, config.warmup_steps),
        steps=steps,
        seed=config.seed,
        batch_of=batch_of,
        loss_of=masked_lm_loss,
        weight_of=masked_tokens,
        tokens_of=lambda batch: int((batch["segment_ids"] > 0).sum()),
        precision=config.precision,
        clip_norm=config.max_grad_norm,
        ema_decay=config.ema_decay,
        name="pretrain",
    )
    after = mean_loss(model, heldout)
    save_masked_lm(model, pooler, ctx.out)
    words.save_pretrained(ctx.out / "model")
    words.save_pretrained(ctx.out / "masked_lm")
    return {
        "heldout_loss": {"before": before, "after": after},
        "heldout_masked_tokens": int(sum(masked_tokens(batch) for batch in heldout)),
        "steps": steps,
        "tokens": int(sum(order.lengths[order.batch(step)].sum() for step in range(steps))),
        "parameters": sum(p.numel() for p in model.bert.parameters()),
    }


def _masked(objective: MaskedLanguageModelling, packed: Packed, batch: Batch, seed: int) -> Batch:
    facts = packed.facts
    inputs, labels = mask_tokens(
        batch["input_ids"],
        batch["segment_ids"],
        generator=torch.Generator().manual_seed(seed),
        probability=objective.mask_probability,
        mask_share=objective.mask_share,
        random_share=objective.random_share,
        mask_token_id=facts.mask_token_id,
        special_token_ids=facts.special_token_ids,
        vocab_size=facts.vocab_size,
    )
    return batch | {"input_ids": inputs, "labels": labels}


def _held_out(config: PretrainConfig, objective: MaskedLanguageModelling, packed: Packed) -> list[Batch]:
    """Rows of held-out documents, about `heldout_tokens`, masked once and for all; chosen over all sources."""
    rows = np.flatnonzero(packed.rows[:, 1] == 1)
    rows = np.random.Generator(np.random.PCG64(step_seed(config.seed, 0, "heldout"))).permutation(rows)
    enough = int(np.searchsorted(np.cumsum(packed.row_tokens[rows]), config.heldout_tokens)) + 1
    return [
        _masked(objective, packed, packed.batch(rows[begin : begin + 16]), step_seed(config.seed, begin, "heldout"))
        for begin in range(0, min(enough, len(rows)), 16)
    ]


def _scratch_config(init: FromScratch, objective: MaskedLanguageModelling, packed: Packed) -> BertConfig:
    _check_lengths(packed.facts.max_seq_length, init.max_position_embeddings, "pretrain.objective.init")
    return BertConfig(
        vocab_size=packed.facts.vocab_size,
        hidden_size=init.hidden_size,
        num_hidden_layers=init.layers,
        num_attention_heads=init.attention_heads,
        intermediate_size=init.intermediate_size,
        max_position_embeddings=init.max_position_embeddings,
        hidden_dropout_prob=objective.dropout,
        attention_probs_dropout_prob=objective.dropout,
        pad_token_id=packed.facts.pad_token_id,
    )


def _check_lengths(tokens: int, positions: int, whose: str) -> None:
    if tokens > positions:
        raise RefusedInput(
            f"pack.max_seq_length={tokens}: {whose} has positions for {positions} tokens; expected at most as many."
        )
