"""The training loop of every stage that trains.

All that happens in step `s` is a pure function of (seed, s) and of the weights: `batch_of(s)` gives its data, and
torch's random state (dropout) is set anew from (seed, s). So a run that was killed goes on from its newest checkpoint
(weights, optimiser, moving average, best weights so far) and ends with the same bytes as a run that was not. When
checkpoints are written never changes the result.

With `micro_batch_size` the rows of a batch pass through the model in portions and gradients are added up: the same
result but for the order in which floats are added, and for the draws of dropout.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from tasks.runtime.errors import StageFailed
from tasks.runtime.stage import Context
from tasks.training import checkpoint
from tasks.training.optimizer import MovingAverage, set_factor
from tasks.training.schedule import Schedule

Batch = dict[str, Tensor]
"""Tensors whose first axis is the rows of the batch."""
Precision = Literal["fp32", "bf16"]

_WRITE_SHARE = 0.02
"""Checkpoints take at most about this share of the time: a slow disk makes them rarer."""


@dataclass(frozen=True)
class Validation:
    """Judge the model now and then, keep its best weights, and stop early."""

    every: int
    """Steps between judgements; the last step is judged too."""
    score: Callable[[nn.Module], float]
    """Model (in evaluation mode) to a number; higher is better."""
    patience: int | None = None
    """Judgements in a row without a better score after which training stops; None = never."""


@dataclass(frozen=True)
class Trained:
    steps: int
    """Steps done; fewer than asked for if training stopped early."""
    best_step: int
    """Steps done when the weights that the model now has were taken."""
    history: tuple[tuple[int, float], ...]
    """Judgements: steps done, score."""


@dataclass
class _Best:
    history: list[tuple[int, float]] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return max(self.history, key=lambda entry: (entry[1], -entry[0]))[0]


def train(
    ctx: Context,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    steps: int,
    seed: int,
    batch_of: Callable[[int], Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    weight_of: Callable[[Batch], float] | None = None,
    tokens_of: Callable[[Batch], int] | None = None,
    precision: Precision = "fp32",
    clip_norm: float | None = 1.0,
    ema_decay: float | None = None,
    validation: Validation | None = None,
    name: str = "train",
    checkpoint_every: int = 20,
) -> Trained:
    """Train `model` in place, on the device it lies on, resuming from the newest whole checkpoint of `name`.

    The model ends with the best weights under `validation`, else with the moving average if there is one, else with
    the last weights. It is left in evaluation mode.

    Args:
        optimizer: from `tasks.training.optimizer.adamw` (its groups carry `peak_lr`).
        schedule: step (from 0) to the factor on the learning rate.
        batch_of: step to batch, a pure function; it is called with the steps that remain.
        loss_of: model and batch (or a portion of its rows, on the device) to a scalar: a *mean* over units.
            A portion without units must give 0, not NaN.
        weight_of: how many units that mean is over (rows, masked tokens, class weights), to weigh portions.
            Default: rows.
        tokens_of: how many tokens of a batch count for the rate that is shown.
        precision: `bf16` computes under autocast; the weights stay fp32.
        clip_norm: largest L2 norm of the gradient; None = not clipped.
        name: names curves and checkpoints; trainings of one stage need different ones.
        checkpoint_every: steps between checkpoints at the most often.

    Raises:
        StageFailed: the loss is not finite.
    """
    device = next(model.parameters()).device
    folder = ctx.work / "checkpoints" / name
    average = MovingAverage(model, ema_decay) if ema_decay is not None else None
    best = _Best()
    weigh = weight_of or (lambda batch: float(len(next(iter(batch.values())))))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    step = _resume(ctx, folder, model, optimizer, average, best)
    started, first_step, tokens = time.monotonic(), step, 0
    written_at, write_seconds = started, 0.0
    log_every = max(1, steps // 200)
    running: list[Tensor] = []
    model.train()
    while step < steps and not _patience_is_over(validation, best):
        torch.manual_seed(step_seed(seed, step))
        set_factor(optimizer, schedule(step))
        batch = batch_of(step)
        tokens += tokens_of(batch) if tokens_of else 0
        total = weigh(batch)
        losses = []
        for portion in _portions(batch, ctx.settings.micro_batch_size):
            share = weigh(portion) / total if total else 0.0
            on_device = {key: tensor.to(device, non_blocking=True) for key, tensor in portion.items()}
            with autocast(device, precision):
                loss = loss_of(model, on_device) * share
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it not
            losses.append(loss.detach())
        running.append(torch.stack(losses).sum())
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if average is not None:
            average.update(model)
        step += 1

        if step % log_every == 0 or step == steps or step % checkpoint_every == 0:
            mean = torch.stack(running).mean().item()
            running = []
            if not math.isfinite(mean):
                raise StageFailed(
                    f"{name}: the loss is {mean} after step {step} of {steps} (learning rate factor "
                    f"{schedule(step - 1):.3g}). Expected a finite number; lower the learning rate, lengthen the "
                    "warm-up, or use precision fp32."
                )
            ctx.log(f"{name}.loss", mean, step)
            rate = tokens / (time.monotonic() - started)
            ctx.progress(step, steps, "steps", f"loss {mean:.4g}" + (f", {rate:.0f} tokens/s" if tokens else ""))
        if validation is not None and (step % validation.every == 0 or step == steps):
            _judge(ctx, name, model, average, validation, best, step)
        due = time.monotonic() - written_at >= write_seconds / _WRITE_SHARE
        if step % checkpoint_every == 0 and step < steps and due:
            begin = time.monotonic()
            checkpoint.save(folder, step, _tensors(model, optimizer, average, best), {"history": best.history})
            written_at = time.monotonic()
            write_seconds = written_at - begin

    if step > first_step:
        seconds = time.monotonic() - started
        ctx.measured(f"{name}.steps_per_second", (step - first_step) / seconds)
        if tokens:
            ctx.measured(f"{name}.tokens_per_second", tokens / seconds)
    if validation is not None and best.history:
        _load_weights(model, best.weights)
    elif average is not None:
        average.swap(model)
    model.eval()
    best_step = best.step if validation is not None and best.history else step
    return Trained(steps=step, best_step=best_step, history=tuple(best.history))


def step_seed(seed: int, step: int, purpose: str = "") -> int:
    """A 63-bit seed for one step: well mixed, so that neighbouring seeds and steps share nothing."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()[:8], "big") >> 1


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """bf16 where `precision` says so, else nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def _portions(batch: Batch, rows: int) -> Iterator[Batch]:
    """The batch in portions of `rows` rows; at once if `rows` is 0."""
    size = len(next(iter(batch.values())))
    for begin in range(0, size, rows or size):
        yield {name: tensor[begin : begin + (rows or size)] for name, tensor in batch.items()}


@torch.no_grad()
def _judge(
    ctx: Context,
    name: str,
    model: nn.Module,
    average: MovingAverage | None,
    validation: Validation,
    best: _Best,
    step: int,
) -> None:
    if average is not None:
        average.swap(model)
    model.eval()
    score = float(validation.score(model))
    ctx.log(f"{name}.score", score, step)
    best.history.append((step, score))
    if best.step == step:
        best.weights = {key: tensor.detach().clone() for key, tensor in _weights(model).items()}
    model.train()
    if average is not None:
        average.swap(model)


def _patience_is_over(validation: Validation | None, best: _Best) -> bool:
    if validation is None or validation.patience is None or not best.history:
        return False
    return sum(judged > best.step for judged, _ in best.history) >= validation.patience


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters (a tied one once) and buffers by name: what training changes."""
    parameters = {name: p.data for name, p in model.named_parameters() if p.requires_grad}
    return parameters | dict(model.named_buffers())


@torch.no_grad()
def _load_weights(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    for name, tensor in _weights(model).items():
        tensor.copy_(tensors[name])


def _tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: MovingAverage | None, best: _Best
) -> dict[str, Tensor]:
    """The whole state by name; `model.*`, `average.*`, `best.*`, `optimizer.INDEX.*`."""
    tensors = {f"model.{key}": tensor for key, tensor in _weights(model).items()}
    tensors |= {f"average.{key}": tensor for key, tensor in (average.average if average else {}).items()}
    tensors |= {f"best.{key}": tensor for key, tensor in best.weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in state.items()}
    return tensors


def _resume(
    ctx: Context,
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage | None,
    best: _Best,
) -> int:
    """Load the newest whole checkpoint; return the steps that it has done (0 without one)."""
    saved = checkpoint.newest(folder)
    if saved is None:
        return 0
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
    for key, tensor in saved.tensors.items():
        part, _, rest = key.partition(".")
        parts[part][rest] = tensor
    _load_weights(model, parts["model"])
    if average is not None:
        for key, tensor in average.average.items():
            tensor.copy_(parts["average"][key])
    best.history = [(step, score) for step, score in saved.notes["history"]]
    best.weights = {key: tensor.to(next(model.parameters()).device) for key, tensor in parts["best"].items()}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parts["optimizer"].items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    ctx.say(f"resumed {folder.name} at step {saved.step}")
    return saved.step
