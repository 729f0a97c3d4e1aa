from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline_config.pretraining import PretrainConfig
from tasks.pretraining.sampling import Order, repeated, steps_of
from tasks.runtime.errors import RefusedInput, StageFailed


def test_a_source_is_read_as_often_as_its_weight_says() -> None:
    items, sources = np.arange(3000), np.repeat([0, 1, 2], 1000)
    read = repeated(items, sources, ["a", "b", "c"], {"a": 4, "c": 0.25}, seed=0)
    counts = np.bincount(read, minlength=3000)
    assert (counts[:1000] == 4).all()
    assert (counts[1000:2000] == 1).all()
    assert 200 < counts[2000:].sum() < 300  # 250 ± 3.6 standard deviations
    assert set(counts[2000:]) == {0, 1}
    with pytest.raises(RefusedInput, match="no source 'd'; expected one of a, b, c"):
        repeated(items, sources, ["a", "b", "c"], {"d": 1}, seed=0)


@pytest.mark.parametrize("by_length", [False, True])
def test_an_epoch_reads_every_item_once_and_the_next_one_in_another_order(by_length: bool) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=640)
    order = Order(lengths, batch_size=8, seed=1, by_length=by_length)
    assert order.steps_per_epoch == 80
    first, second = ([order.batch(step).tolist() for step in range(at, at + 80)] for at in (0, 80))
    for epoch in (first, second):
        assert sorted(item for batch in epoch for item in batch) == list(range(640))
    assert first != second
    again = Order(lengths, batch_size=8, seed=1, by_length=by_length)
    assert again.batch(93).tolist() == second[13], "a batch follows from seed and step alone"
    assert Order(lengths, batch_size=8, seed=2, by_length=by_length).batch(0).tolist() != first[0]


def test_batches_by_length_hold_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=6400)
    order = Order(lengths, batch_size=16, seed=1, by_length=True)
    padded = sum(lengths[order.batch(step)].max() * 16 for step in range(400))
    assert lengths.sum() / padded > 0.95
    means = [lengths[order.batch(step)].mean() for step in range(8)]
    assert np.ptp(means) > 20, "long and short batches alternate"


def test_a_budget_of_tokens_in_steps() -> None:
    order = Order(np.full(10, 7), batch_size=2, seed=0, by_length=False)
    assert order.steps_for(1) == 1
    assert order.steps_for(14) == 1
    assert order.steps_for(15) == 2
    assert order.steps_for(14 * 12) == 12, "over epochs"


def config(**options: Any) -> PretrainConfig:
    return PretrainConfig.model_validate(options)


def test_the_warm_up_must_fit_the_budget() -> None:
    order = Order(np.full(10, 7), batch_size=2, seed=0, by_length=False)
    assert steps_of(config(budget={"kind": "tokens", "tokens": 140}, warmup_steps=3), order) == 10
    with pytest.raises(RefusedInput, match="warmup_steps=10: the budget is 10 steps"):
        steps_of(config(budget={"kind": "tokens", "tokens": 140}, warmup_steps=10), order)
    with pytest.raises(ValueError, match="does not fit budget"):
        config(budget={"kind": "steps", "steps": 5}, warmup_steps=5)


def test_nothing_to_learn_from_fails() -> None:
    with pytest.raises(StageFailed, match="nothing to learn from"):
        Order(np.zeros(0, dtype=int), batch_size=2, seed=0, by_length=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixture": {"a": -1}}, "mixture.a=-1"),
        ({"adam_betas": (0.9, 1.0)}, "adam_betas="),
        ({"objective": {"kind": "mlm", "mask_share": 0.9, "random_share": 0.2}}, "above 1 together"),
        ({"objective": {"kind": "mlm", "init": {"kind": "scratch", "attention_heads": 3}}}, "no multiple"),
    ],
)
def test_contradictions_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**options)
