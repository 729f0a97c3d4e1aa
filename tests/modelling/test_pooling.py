import pytest
import torch

from tasks.modelling.pooling import pool

HIDDEN = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [99.0, 99.0]], [[5.0, 6.0], [7.0, 8.0], [0.0, 1.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", [[1.0, -2.0], [5.0, 6.0]]),
        ("mean", [[2.0, -3.0], [4.0, 5.0]]),
        ("max", [[3.0, -2.0], [7.0, 8.0]]),
    ],
)
def test_padding_never_counts(pooling, expected):
    assert torch.equal(pool(HIDDEN, MASK, pooling), torch.tensor(expected))
