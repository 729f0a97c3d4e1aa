"""Versions, aliases and references in a real registry; what labels texts is tested in `tests/promotion`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.runtime.artifact import Checkpoint
from tasks.runtime.errors import RefusedInput
from tasks.runtime.registry import Registry
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import make_artifact


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(Workspace(tmp_path_factory.mktemp("registry")))


def checkpoint(registry: Registry, text: str) -> Checkpoint:
    return make_artifact(
        Checkpoint,
        "pretrain",
        registry.workspace.root,
        lambda f: (f / "a.txt").write_text(text) and None,
        config={text: 1},
    )


def test_versions_are_copies_found_again_by_variant_and_digest(registry: Registry) -> None:
    one, two = checkpoint(registry, "one"), checkpoint(registry, "two")

    def register(variant: str, artifact: Checkpoint) -> tuple[int, bool]:
        files = {"deep/a.txt": artifact.path / "a.txt"}
        version, new = registry.register("m", variant=variant, artifact=artifact, files=files, served=None, run_id="")
        return version.version, new

    assert register("x", one) == (1, True)
    assert register("x", one) == (1, False)
    assert register("y", one) == (2, True)
    assert register("x", two) == (3, True)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    version = registry.get("m", 1)
    assert (version.variant, version.digest, version.node) == ("x", one.digest, "pretrain")
    (one.path / "a.txt").unlink()
    copy = registry.folder(version) / "deep" / "a.txt"
    assert copy.read_text() == "one"
    assert registry.damage(version) == ()
    copy.write_text("two")
    assert registry.damage(version) == ("deep/a.txt",)
    listed = registry.folder(version) / "textmill" / "files.json"
    listed.write_text(json.dumps({}))
    assert registry.damage(version) == ("textmill/files.json",)
    assert list(registry.workspace.root.glob(".registering*")) == []


def test_references(registry: Registry) -> None:
    artifact = checkpoint(registry, "three")
    files = {"a.txt": artifact.path / "a.txt"}
    made, _ = registry.register("n", variant="x", artifact=artifact, files=files, served=None, run_id="")
    for reference in ("n", "n@champion"):
        with pytest.raises(RefusedInput, match=r"n has no alias 'champion'\. Versions of n: 1; no aliases\."):
            registry.resolve(reference)
    registry.set_alias("n", "champion", 1)
    assert registry.resolve("n") == registry.resolve("n@champion") == registry.resolve("n/1") == made
    registry.set_alias("n", "champion", None)
    registry.set_alias("n", "champion", None)
    assert registry.aliases("n") == {}
    for reference, words in (
        ("n/7", "n has no version 7"),
        ("n/x", "'n/x'"),
        ("q", "Registered models"),
        ("n'", "quotes"),
        ("@champion", "no model has no alias 'champion'.*Registered models"),
        ("foo:bar", "foo:bar has no alias 'champion'.*Registered models"),
    ):
        with pytest.raises(RefusedInput, match=words):
            registry.resolve(reference)


def test_a_workspace_without_a_registry_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="nothing is registered here"):
        Registry.existing(Workspace(tmp_path))
    assert list(tmp_path.iterdir()) == []
