"""The loop against a loop written out by hand, and against kill -9."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tasks.runtime.errors import StageFailed
from tasks.runtime.settings import Settings
from tasks.training import checkpoint
from tasks.training.loop import Batch, Validation, step_seed, train
from tasks.training.optimizer import adamw
from tasks.training.schedule import linear_schedule


class Ctx:
    """As much of a stage's context as training uses."""

    def __init__(self, work: Path, micro_batch_size: int = 0) -> None:
        self.work = work
        self.settings = Settings(workers=1, device="cpu", micro_batch_size=micro_batch_size)
        self.said: list[str] = []
        self.logged: list[tuple[str, float, int | None]] = []

    def log(self, name: str, value: float, step: int | None = None) -> None:
        self.logged.append((name, value, step))

    def measured(self, name: str, value: float) -> None: ...
    def progress(self, done: float, total: float, unit: str = "", note: str = "") -> None: ...

    def say(self, message: str) -> None:
        self.said.append(message)


def net(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def batch_of(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step_seed(7, step))
    x = torch.randn(6, 4, generator=generator)
    return {"x": x, "y": x.sum(1, keepdim=True)}


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    return nn.functional.mse_loss(model(batch["x"]), batch["y"])


def fit(ctx: Any, model: nn.Module, steps: int = 12, **options: Any) -> Any:
    optimizer = adamw([(model, 1e-2)], weight_decay=0.1)
    schedule = linear_schedule(steps, 3)
    arguments: dict[str, Any] = {"seed": 7, "batch_of": batch_of, "loss_of": loss_of, **options}
    return train(ctx, model=model, optimizer=optimizer, schedule=schedule, steps=steps, **arguments)


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def test_the_loop_equals_a_plain_loop(tmp_path: Path) -> None:
    model = net()
    fit(Ctx(tmp_path), model, clip_norm=0.5)

    plain = net()
    optimizer = torch.optim.AdamW(
        [
            {"params": [plain[0].weight, plain[3].weight], "weight_decay": 0.1},
            {"params": [plain[0].bias, plain[3].bias], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )
    for step in range(12):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * ((step + 1) / 3 if step < 3 else (12 - step) / 9)
        optimizer.zero_grad()
        loss_of(plain, batch_of(step)).backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        optimizer.step()
    for ours, theirs in zip(weights(model), weights(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("micro", [1, 4, 6])
def test_micro_batches_give_the_same_weights_up_to_rounding(tmp_path: Path, micro: int) -> None:
    whole, portions = net(), net()
    fit(Ctx(tmp_path / "a"), whole)
    fit(Ctx(tmp_path / "b", micro_batch_size=micro), portions)
    for ours, theirs in zip(weights(whole), weights(portions), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_uneven_portions_are_weighed_by_their_units(tmp_path: Path) -> None:
    """A mean over marked units: portions of 4 and 2 rows hold 1 and 5 units."""

    def marked(step: int) -> Batch:
        return batch_of(step) | {"units": torch.tensor([[1.0], [0.0], [0.0], [0.0], [2.0], [3.0]])}

    def mean(model: nn.Module, batch: Batch) -> Tensor:
        errors = (model(batch["x"]) - batch["y"]) ** 2 * batch["units"]
        return errors.sum() / batch["units"].sum()

    whole, portions = net(), net()
    options = {"batch_of": marked, "loss_of": mean, "weight_of": lambda batch: float(batch["units"].sum())}
    fit(Ctx(tmp_path / "a"), whole, **options)
    fit(Ctx(tmp_path / "b", micro_batch_size=4), portions, **options)
    for ours, theirs in zip(weights(whole), weights(portions), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_moving_average_is_what_the_model_ends_with(tmp_path: Path) -> None:
    averaged = net()
    start = averaged[0].weight.detach().clone()
    seen: list[Tensor] = []

    def watch(step: int) -> Batch:
        seen.append(averaged[0].weight.detach().clone())
        return batch_of(step)

    fit(Ctx(tmp_path / "a"), averaged, ema_decay=0.9, batch_of=watch)
    plain = net()
    fit(Ctx(tmp_path / "b"), plain)
    expected = start
    for after in [*seen[1:], plain[0].weight.detach()]:
        expected = 0.9 * expected + 0.1 * after
    torch.testing.assert_close(averaged[0].weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_the_best_weights_by_validation_are_kept_and_patience_stops(tmp_path: Path) -> None:
    model = net()
    scores = iter([0.1, 0.7, 0.7, 0.3, 0.9])
    seen: list[Tensor] = []

    def score(judged: nn.Module) -> float:
        assert not judged.training
        seen.append(weights(judged)[0])
        return next(scores)

    result = fit(Ctx(tmp_path), model, validation=Validation(every=2, score=score, patience=2))
    assert result.history == ((2, 0.1), (4, 0.7), (6, 0.7), (8, 0.3)), "two judgements without a better one end it"
    assert (result.best_step, result.steps) == (4, 8)
    assert torch.equal(model[0].weight, seen[1])


def test_a_loss_that_is_not_finite_fails_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"loss is nan after step 2 of 12.*lower the learning rate"):
        fit(Ctx(tmp_path), net(), loss_of=lambda m, b: loss_of(m, b) * (float("nan") if b["x"].equal(BAD) else 1))


BAD = batch_of(1)["x"]


SCRIPT = """
import sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import torch; torch.set_num_threads(1)
from safetensors.torch import save_file
from test_loop import *
work, slow = Path(sys.argv[1]), float(sys.argv[2])
def slowly(step):
    time.sleep(slow)
    return batch_of(step)
ctx, model = Ctx(work), net(dropout=0.3)
score = lambda m: -float(loss_of(m, batch_of(99)))
fit(ctx, model, steps=60, batch_of=slowly, ema_decay=0.9, validation=Validation(every=7, score=score),
    checkpoint_every=5)
save_file({{n: p.detach() for n, p in model.named_parameters()}}, work / "model.safetensors")
print(*ctx.said, sep="\\n")
"""


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    root = Path(__file__).parents[2]
    script.write_text(SCRIPT.format(root=str(root), tests=str(Path(__file__).parent)))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    run = [sys.executable, str(script)]
    whole = subprocess.Popen([*run, str(tmp_path / "whole"), "0"], stdout=subprocess.PIPE, text=True)
    killed = subprocess.Popen([*run, str(tmp_path / "killed"), "0.05"])
    folder = tmp_path / "killed" / "checkpoints" / "train"
    deadline = time.monotonic() + 60
    while len(list(folder.glob("step-*"))) < 2:
        assert time.monotonic() < deadline
        assert killed.poll() is None, "it was to be killed in the middle"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    newest = sorted(folder.glob("step-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])  # torn, as after a power cut
    (folder / "partial").write_bytes(b"half a checkpoint")

    again = subprocess.run([*run, str(tmp_path / "killed"), "0"], stdout=subprocess.PIPE, text=True, check=True)
    assert again.stdout.startswith("resumed train at step")
    assert whole.communicate()[0].strip() == ""

    def digest(name: str) -> str:
        return hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest()

    assert digest("killed") == digest("whole")


def test_the_two_newest_checkpoints_are_kept_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"w": torch.full((3,), float(step))}, {"history": [step]})
    paths = sorted(path.name[:13] for path in tmp_path.iterdir())
    assert paths == ["step-00000002", "step-00000003"]
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert (newest.step, newest.notes) == (3, {"history": [3]})

    last = sorted(tmp_path.iterdir())[-1]
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    second = checkpoint.newest(tmp_path)
    assert second is not None
    assert second.step == 2
    assert second.tensors["w"].tolist() == [2.0, 2.0, 2.0]


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "nowhere") is None


def test_step_seeds_differ_by_seed_step_and_purpose() -> None:
    seeds = {step_seed(seed, step, purpose) for seed in range(9) for step in range(9) for purpose in ("", "mask")}
    assert len(seeds) == 162
    assert all(0 <= seed < 2**63 for seed in seeds)
