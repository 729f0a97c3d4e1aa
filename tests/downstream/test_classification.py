import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from tasks.downstream.classification import (
    LabelledSplit,
    accuracy,
    decode,
    macro_f1,
    per_class,
    softmax,
    write_predictions,
)

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@given(pairs)
def test_scores_equal_scikit_learns(rows):
    labels, predicted = (np.array(column) for column in zip(*rows, strict=True))
    assert accuracy(labels, predicted) == pytest.approx(float(np.mean(labels == predicted)))
    expected = f1_score(labels, predicted, average="macro", zero_division=0)
    assert macro_f1(labels, predicted) == pytest.approx(expected)
    found = per_class(labels, predicted, tuple("abcde"))
    columns = precision_recall_fscore_support(labels, predicted, labels=range(5), zero_division=0)
    for index, name in enumerate("abcde"):
        assert list(found[name].values()) == pytest.approx([column[index] for column in columns])


def test_softmax_survives_large_logits():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3.0)]])), [[0.5, 0.5], [0.25, 0.75]])


def test_decode_names_the_most_probable_label():
    assert decode(np.array([[0.25, 0.75], [0.5, 0.5]]), ("a", "b")) == [("b", 0.75), ("a", 0.5)]


def test_predictions_are_written_in_the_splits_order(tmp_path):
    split = LabelledSplit(["x", "a"], ["t", "u"], np.array([1, 0]), np.array([0, 1]))
    write_predictions(tmp_path / "p" / "v.parquet", split, np.array([[0.5, 0.5], [0.25, 0.75]], dtype=np.float32))
    assert pq.read_table(tmp_path / "p" / "v.parquet").to_pylist() == [
        {"id": "x", "label": 1, "probs": [0.5, 0.5]},
        {"id": "a", "label": 0, "probs": [0.25, 0.75]},
    ]
