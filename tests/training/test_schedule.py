import pytest

from tasks.training.schedule import linear_schedule


def test_warm_up_and_decay_by_hand() -> None:
    factor = linear_schedule(10, 4)
    assert [factor(step) for step in range(10)] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    )


def test_without_warm_up_it_starts_at_the_peak() -> None:
    assert [linear_schedule(2, 0)(step) for step in range(2)] == [1.0, 0.5]


@pytest.mark.parametrize(("steps", "warmup"), [(10, 10), (10, -1), (0, 0)])
def test_a_warm_up_that_does_not_fit_is_refused(steps: int, warmup: int) -> None:
    with pytest.raises(ValueError, match="warmup_steps="):
        linear_schedule(steps, warmup)
