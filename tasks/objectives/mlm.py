"""Masked language modelling (Devlin et al. 2019, 1810.04805) on packed rows.

Shapes: B rows, T tokens a row, H hidden width, V vocabulary, M masked tokens of the batch.

A row packs windows of several documents. An exact document mask (B, 1, T, T) and positions that restart make every
window see itself alone, so that the loss is that of the windows one by one, without their padding. What only the
masked positions need is computed for them alone: the vocabulary head, half of the work in a small model, and the last
layer from its attention on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedModel

from tasks.modelling.encoder import quiet, set_dropout
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context
from tasks.training.loop import Batch, Precision, autocast, train
from tasks.training.optimizer import adamw
from tasks.training.schedule import linear_schedule

IGNORED = -100


def mask_tokens(
    input_ids: Tensor,
    segment_ids: Tensor,
    *,
    generator: torch.Generator,
    probability: float,
    mask_share: float,
    random_share: float,
    mask_token_id: int,
    special_token_ids: Sequence[int],
    vocab_size: int,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to predict and hide them; return inputs and labels, both (B, T).

    Each token that is neither special nor padding (segment 0) is chosen with `probability`. Of the chosen, `mask_share`
    reads as the mask token, `random_share` as a random one that is not special, the rest as it is. Labels of tokens
    that are not chosen are -100.
    """
    special = torch.tensor(special_token_ids)
    maskable = (segment_ids > 0) & ~torch.isin(input_ids, special)
    chosen = maskable & (torch.rand(input_ids.shape, generator=generator) < probability)
    labels = input_ids.masked_fill(~chosen, IGNORED)
    draw = torch.rand(input_ids.shape, generator=generator)
    ordinary = torch.ones(vocab_size, dtype=torch.bool)
    ordinary[special[special < vocab_size]] = False
    ordinary_ids = ordinary.nonzero().squeeze(1)
    random_ids = ordinary_ids[torch.randint(len(ordinary_ids), input_ids.shape, generator=generator)]
    inputs = torch.where(chosen & (draw < mask_share), mask_token_id, input_ids)
    at_random = chosen & (draw >= mask_share) & (draw < mask_share + random_share)
    return torch.where(at_random, random_ids, inputs), labels


def new_masked_lm(encoder: PreTrainedModel, *, dropout: float, seed: int) -> BertForMaskedLM:
    """Put a new vocabulary head, its decoder tied to the embeddings, on a copy of `encoder`. The pooler is left out.

    Raises:
        RefusedInput: the encoder is no BERT.
    """
    if not isinstance(encoder, BertModel):
        raise RefusedInput(
            f"objective mlm: the base is a {encoder.config.model_type!r} encoder; expected 'bert'. Use "
            "pretrain.objective.kind=embedding_distillation, or init.kind=scratch."
        )
    config = BertConfig.from_dict(encoder.config.to_dict())
    set_dropout(config, dropout)
    config.architectures = None
    model = scratch_masked_lm(config, seed=seed)
    weights = {name: w for name, w in encoder.state_dict().items() if not name.startswith("pooler.")}
    model.bert.load_state_dict(weights)
    return model


def scratch_masked_lm(config: BertConfig, *, seed: int) -> BertForMaskedLM:
    """A BERT with random weights, drawn from `seed`."""
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        return BertForMaskedLM(config)


def masked_lm_loss(model: BertForMaskedLM, batch: Batch) -> Tensor:
    """Mean cross-entropy, in nats, over the tokens whose label is not -100; 0 if there are none.

    `batch`: `input_ids`, `segment_ids` (0 = padding), `position_ids`, `labels`, all (B, T).
    """
    segments = batch["segment_ids"]
    same = segments[:, None, :, None] == segments[:, None, None, :]  # (B, 1, T, T); padding sees padding, never NaN
    chosen = batch["labels"] != IGNORED
    after_attention = model.bert.encoder.layer[-1].attention.output
    with after_attention.register_forward_pre_hook(lambda _module, inputs: tuple(hidden[chosen] for hidden in inputs)):
        hidden = model.bert(
            input_ids=batch["input_ids"], attention_mask=same, position_ids=batch["position_ids"]
        ).last_hidden_state  # (M, H)
    logits = model.cls(hidden)  # (M, V)
    total = F.cross_entropy(logits.float(), batch["labels"][chosen], reduction="sum")
    return total / max(int(chosen.sum()), 1)


def masked_tokens(batch: Batch) -> float:
    """How many tokens of a batch are to be predicted."""
    return float((batch["labels"] != IGNORED).sum())


def fit_head(
    ctx: Context,
    model: BertForMaskedLM,
    batch_of: Callable[[int], Batch],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    precision: Precision = "fp32",
    name: str = "head",
) -> None:
    """Fit the vocabulary head to the frozen encoder (embeddings included), so that encoders can be compared fairly.

    The same steps, data and seed fit the heads of two encoders alike. The encoder can be trained again afterwards.
    """
    encoder = list(model.bert.parameters())
    for parameter in encoder:
        parameter.requires_grad_(False)
    # The decoder is tied to the embeddings, which stay as they are: only its bias and the transform learn.
    warmup = min(10, steps - 1)
    train(
        ctx,
        model=model,
        optimizer=adamw([(model, learning_rate)], weight_decay=0.01, betas=(0.9, 0.98)),
        schedule=linear_schedule(steps, warmup),
        steps=steps,
        seed=seed,
        batch_of=batch_of,
        loss_of=masked_lm_loss,
        weight_of=masked_tokens,
        precision=precision,
        name=name,
    )
    for parameter in encoder:
        parameter.requires_grad_(True)


@torch.no_grad()
def mean_loss(model: BertForMaskedLM, batches: Sequence[Batch], precision: Precision = "fp32") -> float:
    """Mean loss, in nats a masked token, over batches; the model is left in evaluation mode.

    Raises:
        ValueError: nothing is masked in them.
    """
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0.0
    for batch in batches:
        weight = masked_tokens(batch)
        on_device = {name: tensor.to(device) for name, tensor in batch.items()}
        with autocast(device, precision):
            total += float(masked_lm_loss(model, on_device)) * weight
        count += weight
    if not count:
        raise ValueError("no token is masked: expected held-out text of some hundred tokens; raise heldout_tokens.")
    return total / count


def save_masked_lm(model: BertForMaskedLM, pooler: torch.nn.Module | None, folder: Path) -> None:
    """Write `model/` (the encoder, for `AutoModel`) and `masked_lm/` (with the vocabulary head, for
    `AutoModelForMaskedLM`); in one folder they would load with warnings. The model is moved to the CPU.

    `pooler` is the base's, which this objective does not touch; without one a random one is saved.
    """
    model.cpu()
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = BertModel(model.config)
        encoder.load_state_dict(model.bert.state_dict(), strict=False)
        if pooler is not None:
            encoder.pooler.load_state_dict(pooler.state_dict())
        encoder.save_pretrained(folder / "model")
        model.save_pretrained(folder / "masked_lm")
