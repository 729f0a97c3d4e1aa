import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from tasks.modelling.linear_probe import fit_probe


def macro(truth, predicted):
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def data(classes, rows, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = np.random.default_rng(9).normal(size=(classes, 6)) * 3
    return (centres[labels] + generator.normal(size=(rows, 6)) * 4).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_head_gives_scikit_learns_probabilities(classes, class_weights):
    features, labels = data(classes, 50)
    probe = fit_probe(
        (features, labels),
        data(classes, 20, seed=1),
        classes=classes,
        grid=(0.3,),
        class_weights=class_weights,
        score=macro,
    )
    scale = np.linalg.norm(features, axis=1).mean() / np.sqrt(6)
    weight = None if class_weights == "none" else "balanced"
    reference = LogisticRegression(C=0.3, max_iter=2000, class_weight=weight)
    reference.fit(features.astype(np.float64) / scale, labels)
    logits = probe.logits(features)
    exponent = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(
        exponent / exponent.sum(1, keepdims=True), reference.predict_proba(features / scale), atol=1e-4
    )


def test_validation_chooses_c_and_the_smallest_wins_a_tie():
    train, validation = data(3, 60), data(3, 60, seed=2)
    grid = (1.0, 0.0001, 0.1, 10.0)
    probes = {
        c: fit_probe(train, validation, classes=3, grid=(c,), class_weights="none", score=macro).score for c in grid
    }
    chosen = fit_probe(train, validation, classes=3, grid=grid, class_weights="none", score=macro)
    assert chosen.score == max(probes.values())
    tie = fit_probe(train, validation, classes=3, grid=grid, class_weights="none", score=lambda *_: 1.0)
    assert tie.c == 0.0001
