"""REF: runs, artifacts and versions by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.references import ArtifactReference, find_artifact, find_run, resolve
from tasks.runtime.errors import RefusedInput
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace

RUNS = ("20260101T000000Z", "20260102T000000Z", "20260102T000000Z-1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs; `clean` was made by all, by the last two alike; `pack` by the first."""
    workspace = Workspace(tmp_path)
    for number, name in enumerate(RUNS):
        made = {"clean": "aa11" if number == 0 else "ab22"} | ({"pack": "cc33"} if number == 0 else {})
        nodes = {
            node: NodeRecord(fingerprint=fingerprint, digest="", action="ran") for node, fingerprint in made.items()
        }
        RunRecord(id=name, config_file="textmill.yaml", started="", nodes=nodes).save(workspace)
        for node, fingerprint in made.items():
            workspace.artifact(node, fingerprint).mkdir(parents=True, exist_ok=True)
    return Store(workspace)


@pytest.mark.parametrize(
    ("reference", "number"),
    [("last", 2), ("last~0", 2), ("last~2", 0), ("20260101", 0), ("20260102T000000Z", 1), ("20260102T000000Z-", 2)],
)
def test_runs(store: Store, reference: str, number: int) -> None:
    found = resolve(store, reference)
    assert isinstance(found, RunRecord)
    assert found.id == RUNS[number]


@pytest.mark.parametrize(
    ("reference", "node", "fingerprint"),
    [
        ("clean", "clean", "ab22"),
        ("pack", "pack", "cc33"),
        ("clean/aa", "clean", "aa11"),
        ("clean/ab22", "clean", "ab22"),
    ],
)
def test_artifacts(store: Store, reference: str, node: str, fingerprint: str) -> None:
    assert resolve(store, reference) == ArtifactReference(node, fingerprint)


@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("last~3", "3 runs are on record"),
        ("20260102", "is the beginning of 2 runs: 20260102T000000Z-1, 20260102T000000Z"),
        ("2025", "no such run. On record: 20260102T000000Z-1,"),
        ("clean/a", "is the beginning of 2 artifacts. There are: clean/aa11, clean/ab22"),
        ("clean/", "is no artifact. There are: clean/aa11, clean/ab22"),
        ("cleam", "'cleam' names nothing here. Expected a run"),
        ("shop/3", "'shop/3' names nothing here"),
        ("../runs/2026", "names nothing here"),
    ],
)
def test_what_is_none_or_several_is_refused(store: Store, reference: str, refusal: str) -> None:
    with pytest.raises(RefusedInput, match=refusal.replace(".", r"\.")):
        resolve(store, reference)


def test_nothing_on_record(tmp_path: Path) -> None:
    store = Store(Workspace(tmp_path))
    with pytest.raises(RefusedInput, match="no runs are on record here"):
        find_run(store, "last")
    assert find_artifact(store, "clean") is None
