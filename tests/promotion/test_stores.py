"""The registry on a server and on PostgreSQL: registering, pages, promoting, predicting, rolling back, damage."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from pipeline_config.promotion import PromotionConfig
from tasks.promotion.journal import read_ledger
from tasks.promotion.promote import Promotion, register_and_promote
from tasks.runtime.errors import RefusedInput
from tasks.runtime.mlflow_store import experiment_of
from tasks.runtime.registry import Registry
from tasks.runtime.tracking import Tracking
from tests.promotion.shop import Shop
from tests.promotion.stores import mlflow_server, postgres

YAML = "preset: cloud-security\nmodel: {name: m}\n"


def run(shop: Shop, **changes: Any) -> Promotion:
    """As a road does: its runs are tracked, then it registers what it made."""
    tracking = Tracking(shop.workspace)
    tracking.start_road("m", "road", {"a": {"b": 1}})
    node = tracking.node_started("compress", {"c": 2}, {})
    node.metrics([("compress.loss", 0.5, 1)])
    node.finished(shop.compressed["int8"])
    assert node.lost == ""
    outcome = register_and_promote(
        Registry(shop.workspace),
        model="m",
        config=changes.pop("config", PromotionConfig()),
        evaluation=shop.evaluation,
        models=shop.models,
        compressed=shop.compressed,
        checkpoint=shop.checkpoint,
        run_ids={"compress": node.run_id},
    )
    tracking.describe_road(outcome.sentence(), {"test/macro_f1/int8": 0.9})
    tracking.end_road("FINISHED")
    assert tracking.client.get_run(tracking.road).data.metrics == {"test/macro_f1/int8": 0.9}
    return outcome


def walk(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Register, describe, promote, show, predict, roll back."""
    root = shop.workspace.root
    (root / "textmill.yaml").write_text(YAML)
    at = ["--workspace", str(root)]
    outcome = run(shop)
    assert outcome.promoted, outcome.sentence()
    registry = Registry(shop.workspace)
    version = registry.resolve("m@champion")
    assert version.tags["gate.above_majority"] == "pass"
    assert version.tags["gate.holds_against_champion"] == "no champion"
    for words in ("All 5 gates passed.", "| **student int8** |", "[m 2](#/models/m/versions/2)"):
        assert words in version.description, version.description
    assert f"[run](#/experiments/{registry.experiment('m')}/runs/{version.run_id})" in version.description
    assert "| &ensp;promote | &ensp;[3](#/models/m/versions/3)" in str(registry.about("m")[1])
    assert (registry.folder(version) / "MLmodel").is_file()
    assert registry.damage(version) == ()
    capsys.readouterr()

    assert main(["predict", "m", "--text", "public access to storage", "--json", *at]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "m version 3"
    assert main(["show", "m@champion", *at]) == 0
    assert "m version 3 (int8)" in capsys.readouterr().out
    assert main(["promote", "m", "2", "promotion.parent_margin=0", "--override", "a <b>|test", *at]) == 0
    assert registry.aliases("m") == {"challenger": 3, "champion": 2, "previous": 3}
    assert "a &lt;b&gt;\\|test" in str(registry.about("m")[1])
    assert main(["rollback", "m", *at]) == 0
    assert registry.aliases("m") == {"challenger": 3, "champion": 3}
    lines = str(registry.about("m")[1]).splitlines()
    assert [line.split("|")[3].replace("&ensp;", "").strip() for line in lines if line.startswith("| 20")] == [
        "rollback",
        "promote",
        "promote",
    ]
    again = run(shop)
    assert [one.new for one in again.versions] == [False] * 4
    del registry  # what it downloaded goes with it
    assert list(root.glob(".version-*")) == list(root.glob(".registering-*")) == []


@pytest.fixture
def server(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An MLflow server over a database of its own; the workspace has none."""
    (shop.workspace.root / "mlflow.db").rename(tmp_path / "server.db")
    with mlflow_server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "served") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address


@pytest.mark.long
@pytest.mark.timeout(300)
def test_everything_works_through_a_server(shop: Shop, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    walk(shop, capsys)
    assert not (shop.workspace.root / "mlflow.db").exists()
    query = f"{server}/api/2.0/mlflow/registered-models/alias?name=m&alias=champion"
    with urllib.request.urlopen(query) as answer:
        assert json.load(answer)["model_version"]["version"] == "3"


@pytest.mark.needs_postgres
@pytest.mark.timeout(300)
def test_everything_works_on_postgresql(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop.workspace.root / "mlflow.db").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with postgres(tmp_path / "cluster") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        walk(shop, capsys)
        assert list(elsewhere.iterdir()) == []
        assert (shop.workspace.root / "mlflow").is_dir()
        registry = Registry(shop.workspace)
        registry.client.delete_experiment(registry.experiment("m"))
        with pytest.raises(RefusedInput, match="was deleted") as refused:
            run(shop)
        assert "secret" not in str(refused.value)
        with mlflow_server(address, tmp_path / "served") as server:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
            assert Registry(shop.workspace).resolve("m@champion").version == 3
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert main(["rollback", "m", "--workspace", str(shop.workspace.root)]) == 2
    told = capsys.readouterr().err
    assert "no server answers there" in told
    assert "secret" not in told


def test_a_deleted_experiment_is_told_with_its_remedy(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    registry.client.delete_experiment(registry.experiment("m"))
    with pytest.raises(
        RefusedInput, match=r"experiment 'm' was deleted.*\n?.*mlflow experiments restore --experiment-id 1"
    ):
        Tracking(shop.workspace).start_road("m", "road", {})
    # What is registered goes on being used.
    assert registry.damage(registry.resolve("m@champion")) == ()
    registry.client.restore_experiment("1")
    assert experiment_of(registry.client, shop.workspace, "m") == "1"


def test_deleted_versions(shop: Shop) -> None:
    """Of the champion, and of its parent: MLflow takes the alias away; the next run registers anew and says so."""
    run(shop)
    registry = Registry(shop.workspace)
    registry.client.delete_model_version("m", "3")
    registry.client.delete_model_version("m", "2")
    with pytest.raises(RefusedInput, match="no alias 'champion'"):
        registry.resolve("m@champion")
    outcome = run(shop)
    assert outcome.promoted
    assert registry.aliases("m") == {"challenger": 5, "champion": 5}
    assert [entry.action for entry in read_ledger(shop.workspace.ledger)] == ["promote", "external", "promote"]
    assert "[m 4](#/models/m/versions/4)" in registry.get("m", 5).description
    registry.client.delete_registered_model("m")
    assert run(shop).promoted
    assert registry.aliases("m")["champion"] == 3


def test_deleted_files_of_a_version_are_damage(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    registry.client.delete_logged_model(registry.get("m", 3).source.removeprefix("models:/"))
    assert registry.damage(registry.get("m", 3)) == ("all files are gone",)
    outcome = run(shop)
    assert outcome.promoted, outcome.sentence()
    assert outcome.champion == 4
