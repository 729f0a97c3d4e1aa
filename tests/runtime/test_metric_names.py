"""Names that pages of MLflow, searches and comparisons count on."""

from __future__ import annotations

import pytest

from tasks.runtime.metric_names import headline, live_name, manifest_points

BOUNDS = {"value": 0.7, "low": 0.6, "high": 0.8}
EVALUATION = {
    "rungs": [
        {
            "rung": "int8",
            "macro_f1": BOUNDS,
            "accuracy": BOUNDS,
            "gain": {**BOUNDS, "against": "student"},
            "size_bytes": 9,
        }
    ],
    "paired": {"int8-vs-student": {"macro_f1": BOUNDS}},
    "agreement": {"int8": {"value": 0.99, "parent": "student"}},
    "test_documents": 12,
    "tfidf": {"cost": 3.0},
}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("finetune.loss", "train/loss"),
        ("distill.tokens_per_second", "train/tokens_per_second"),
        ("pretrain.loss", "train/loss"),
        ("finetune.score", "validation/macro_f1"),
        ("latency_ms.base", "latency_ms/base"),
        ("plain", "plain"),
    ],
)
def test_what_stages_log_while_they_work(name: str, shown: str) -> None:
    assert live_name(name) == shown


def test_figures_of_manifests() -> None:
    metrics = {"heldout_loss": {"before": 2.0, "after": 0.5}, "steps": 180, "a": {"b": {"c": 1}}}
    assert manifest_points("Checkpoint", metrics) == [
        ("heldout/loss", 2.0, 0),
        ("heldout/loss", 0.5, 180),
        ("steps", 180.0, None),
        ("a/b.c", 1.0, None),
    ]
    metrics = {"validation_macro_f1": 0.8, "validation_accuracy": 0.9, "validation_macro_f1_by_epoch": [0.7, 0.8]}
    assert manifest_points("TaskModel", metrics) == [
        ("validation/best_macro_f1", 0.8, None),
        ("validation/best_accuracy", 0.9, None),
    ]


def test_the_ladder_and_what_roads_are_compared_by() -> None:
    found = {name: value for name, value, _ in manifest_points("Evaluation", EVALUATION)}
    assert found == {
        **{f"test/{name}{end}/int8": BOUNDS[key] for name in ("macro_f1", "accuracy", "gain") for end, key in ENDS},
        **{f"test/macro_f1_difference{end}/int8-vs-student": BOUNDS[key] for end, key in ENDS},
        "test/agreement/int8": 0.99,
        "size_bytes/int8": 9,
        "test_documents": 12,
        "tfidf/cost": 3.0,
    }
    assert headline(EVALUATION, {"latency_ms.int8": 4.2, "speedup.int8": 8.5}) == {
        "test/macro_f1/int8": 0.7,
        "test/accuracy/int8": 0.7,
        "test/agreement/int8": 0.99,
        "size_bytes/int8": 9,
        "latency_ms/int8": 4.2,
    }


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))
