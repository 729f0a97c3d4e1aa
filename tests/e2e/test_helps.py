"""The benchmark that asks whether curation helps: from a config to its table, on the tiny workspace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.workspace import ROOT, Textmill


@pytest.mark.long
@pytest.mark.timeout(400)
def test_four_corpora_are_learnt_from_and_judged_alike(plain: Textmill, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.curation.helps",
        "--config",
        str(plain.root / "textmill.yaml"),
        "--cache",
        str(tmp_path),
    ]
    options = [
        "--tokens",
        "4000",
        "--seeds",
        "2",
        "--head-steps",
        "2",
        "--clean",
        "20",
        "--clean-words",
        "8",
        "finetune.num_train_epochs=1",
    ]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    arms = {row[0]: row[1:] for row in rows[2:]}
    assert list(arms) == ["raw", "exact", "+ near", "+ rules"]
    documents = [int(row[0]) for row in arms.values()]
    assert documents == sorted(documents, reverse=True)
    assert len(set(documents)) > 1
    for name, (_, _, loss, loss_gain, score, score_gain) in arms.items():
        assert 0 < float(loss) < 12
        assert 0 <= float(score) <= 1
        assert "[" in loss_gain
        assert "[" in score_gain
        assert name != "raw" or loss_gain.startswith("+0.0000")
