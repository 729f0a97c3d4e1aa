"""Servers and databases killed for good in the middle of a run, and started again: nothing is lost, nothing hangs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.operation.server import lives, read_record
from tasks.runtime.workspace import Workspace
from tests.e2e.conftest import Road
from tests.e2e.test_road import tracked
from tests.e2e.workspace import NODES, Textmill, clone, ran, started, wait_for
from tests.promotion.stores import mlflow_server, postgres, start_postgres
from tests.server.services import Api, processes_of

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]
SLOW = "pretrain.budget.steps=1500"


@dataclass(frozen=True)
class Served:
    textmill: Textmill
    api: Api

    @property
    def root(self) -> Path:
        return self.textmill.root

    def record(self) -> dict[str, Any]:
        """Of the newest run."""
        return dict(json.loads(max(self.root.glob("runs/*/run.json")).read_text()))


@pytest.fixture(scope="module")
def served(road: Road, server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:  # noqa: ARG001  # stands meanwhile
    """A copy of all that a workspace is, made while the original's server stands; its own servers stand too."""
    root = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(road.root, root)
    textmill = Textmill(root, road.textmill.environment)
    yield Served(textmill, Api(textmill("server", "start", "--json").json["api_url"]))
    textmill("server", "stop")


def test_a_copied_workspace_reuses_all_and_leaves_the_original_alone(road: Road, served: Served) -> None:
    original = read_record(Workspace(road.root))
    before = sorted(path.name for path in (road.root / "runs").iterdir())
    assert served.api.ended(served.api.run("tiny"))[0] == "Completed"
    record = served.record()
    assert {node: entry["action"] for node, entry in record["nodes"].items()} == dict.fromkeys(NODES, "reused")
    assert record["promotion"]["champion"] == 3
    assert original is not None
    assert lives(original)
    assert read_record(Workspace(road.root)) == original
    assert sorted(path.name for path in (road.root / "runs").iterdir()) == before
    with sqlite3.connect(served.root / "mlflow.db") as database:
        places = {place for (place,) in database.execute("SELECT artifact_uri FROM runs")}
        assert all(place.startswith(str(served.root)) for place in places)


@pytest.mark.parametrize(
    ("module", "steps"), [("flows.operation.server_process", 1000), ("tasks.runtime.mlflow_server", 1001)]
)
def test_a_worker_s_run_survives_a_killed_server(served: Served, module: str, steps: int) -> None:
    run = served.api.run("tiny", overrides=[f"pretrain.budget.steps={steps}"], until="pretrain")
    wait_for(lambda: list(served.root.glob("work/pretrain/*/keep/checkpoints/*/*.safetensors")), 240)
    (victim,) = processes_of(served.root)[module]
    os.kill(victim.pid, signal.SIGKILL)
    assert served.api.ended(run, 300) == ("Completed", "")
    assert served.record()["nodes"]["pretrain"]["action"] == "ran"
    wait_for(lambda: served.textmill("server", "status", "--json").json["running"], 120)
    assert "RUNNING" not in tracked(served.root)


def test_a_database_locked_for_seconds_in_mid_run_is_waited_for(served: Served) -> None:
    with started(served.textmill, "run", "--json", "--until", "ingest.labels", "--force", "ingest.labels") as process:
        wait_for(lambda: list(served.root.glob("work/ingest.labels/*/out")), 120, process)
        with sqlite3.connect(served.root / "mlflow.db", isolation_level=None, timeout=60) as database:
            database.execute("BEGIN EXCLUSIVE")
            time.sleep(8)
            database.execute("ROLLBACK")
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert ran(json.loads(out)) == ["ingest.labels"]
    assert "not complete" not in err
    assert "RUNNING" not in tracked(served.root)


def test_an_mlflow_server_that_is_gone_costs_its_pages_and_no_run(road: Road, served: Served, tmp_path: Path) -> None:
    """A server of one's own, killed while a node works, and not started again."""
    with mlflow_server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "store") as address:
        textmill = clone(road.textmill, tmp_path / "workspace").with_environment(
            PREFECT_API_URL=served.api.url, MLFLOW_TRACKING_URI=address
        )
        with started(textmill, "run", "--until", "clean", "--force", "ingest.corpus") as process:
            wait_for(lambda: list(textmill.root.glob("work/ingest.corpus/*/out")), 120, process)
            kill_listener(int(address.rpartition(":")[2]))
            began = time.monotonic()
            out, err = process.communicate(timeout=400)
        assert process.returncode == 0, out + err
        assert time.monotonic() - began < 300
        assert "Traceback" not in out + err
        refused = textmill("run", "--until", "clean", code=2).err
        assert "no server answers there" in refused


def kill_listener(port: int) -> None:
    """`kill -9` of who listens at a port."""
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
            os.kill(one.pid, signal.SIGKILL)


@pytest.mark.needs_postgres
def test_postgresql_killed_in_mid_run(road: Road, tmp_path: Path) -> None:
    """The store of Prefect and of MLflow at once. Started again within seconds the run goes on; else it says why."""
    with postgres(tmp_path / "cluster") as address:
        port = int(address.rpartition(":")[2].partition("/")[0])
        textmill = clone(road.textmill, tmp_path / "workspace").with_environment(
            PREFECT_API_DATABASE_CONNECTION_URL=address.replace("postgresql://", "postgresql+asyncpg://"),
            MLFLOW_TRACKING_URI=address.replace("/mlflow", "/postgres"),
        )
        try:
            textmill("run", "--json", "--until", "ingest.labels")
            with started(textmill, "run", "--json", SLOW, "--until", "pretrain") as process:
                wait_for(lambda: list(textmill.root.glob("work/pretrain/*/keep/checkpoints/*/*")), 240, process)
                kill_listener(port)
                time.sleep(3)
                start_postgres(tmp_path / "cluster", port)
                out, err = process.communicate(timeout=400)
            assert process.returncode == 0, err
            assert ran(json.loads(out))[-1] == "pretrain"
            assert "Traceback" not in err
            assert textmill.run(SLOW, "--until", "pretrain")["nodes"][-1]["action"] == "reused"

            with started(textmill, "run", "--json", "--until", "clean", "--force", "clean") as process:
                wait_for(lambda: list(textmill.root.glob("work/clean/*/out")), 240, process)
                kill_listener(port)
                out, err = process.communicate(timeout=500)
            assert process.returncode == 1, out + err
            assert "Traceback" not in err
            assert "run again" in err
            assert "secret" not in err
        finally:
            start_postgres(tmp_path / "cluster", port)
            textmill("server", "stop")
