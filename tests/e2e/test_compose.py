"""infra/: what the compose file promises, and its services started without a container engine."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.compose import FILE, PORTS, Services, definition, free_ports
from tests.e2e.conftest import Road
from tests.e2e.workspace import ROOT, Textmill, clone, wait_for

DOCKERFILE = ROOT / "infra" / "images" / "Dockerfile"


# --- the files ---


def test_every_service_is_pinned_unprivileged_and_watched() -> None:
    services, targets = definition()["services"], stages()
    assert set(services) == {"postgres", "prefect", "mlflow", "worker", "serve"}
    for name, service in services.items():
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"]), name
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        if "build" in service:
            user = re.findall(r"^USER (\S+)$", targets[service["build"]["target"]], re.MULTILINE)
            assert user == ["textmill"], name
        else:
            assert re.fullmatch(r"[a-z]+:\d+\.\d+-bookworm", service["image"])
            assert service["user"] not in ("root", "0")


def test_images_take_the_pinned_packages_alone() -> None:
    text = DOCKERFILE.read_text()
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-bookworm AS base$", text, re.MULTILINE)
    assert "PIP_CONSTRAINT=/build/constraints.txt" in stages()["base"]
    without = [line for line in text.splitlines() if "PIP_CONSTRAINT= " in line]
    assert len(without) == 2  # data and models: each by its sha256
    assert text.count("--require-hashes") == 2


def test_no_secret_stands_in_a_file() -> None:
    for file in (FILE, DOCKERFILE):
        for line in file.read_text().splitlines():
            if re.search(r"PASSWORD:|SECRET|TOKEN", line):
                assert "${POSTGRES_PASSWORD:?" in line, line
    assert "infra/.env" in (ROOT / ".gitignore").read_text().splitlines()


def stages() -> dict[str, str]:
    """The text of each target of the Dockerfile."""
    parts = re.split(r"^FROM \S+ AS (\w+)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# --- the services ---


@pytest.mark.needs_postgres
@pytest.mark.timeout(900)
def test_the_services_do_the_work(road: Road, tmp_path: Path) -> None:
    """Health checks pass, a run by the worker registers a champion in MLflow, and the endpoint serves it."""
    textmill = clone(road.textmill, tmp_path / "workspace")
    for leftover in (*textmill.root.glob("mlflow*"), textmill.root / "ledger.jsonl"):
        leftover.rename(tmp_path / f"old-{leftover.name}")
    services = services_in(tmp_path, textmill)
    with services.postgres(), services.up("prefect"), services.up("mlflow"), services.up("worker"):
        run = run_deployment(services)
        assert run["state_name"] == "Completed", run
        with services.up("serve"):
            question = {"dataframe_split": {"columns": ["text"], "data": [["Public openbdfg reachklmp exposebdfg."]]}}
            answer = ask(f"http://127.0.0.1:{services.ports['8080']}/invocations", question)
            assert answer["predictions"][0]["label"] in {"exposure", "encryption", "logging"}
    assert not (textmill.root / "mlflow.db").exists()
    assert (textmill.root / "ledger.jsonl").is_file()


def services_in(folder: Path, textmill: Textmill) -> Services:
    folder.chmod(0o755)
    for parent in folder.parents:  # PostgreSQL runs as a user of its own
        if parent.owner() == "root" and len(parent.parts) > 2:
            parent.chmod(parent.stat().st_mode | 0o011)
    made = folder / "services"
    (made / "mlflow").mkdir(parents=True)
    return Services(
        made,
        {"/workspace": str(textmill.root), "/mlflow": str(made / "mlflow"), "/tmp": str(made)},
        {"POSTGRES_PASSWORD": "p@ss/w:rd", "MODEL": "tiny", "WORKSPACE": str(textmill.root)},
        dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
    )


def run_deployment(services: Services) -> dict[str, Any]:
    """Start the deployment of the whole road as the UI does, and wait for its end."""
    api = f"http://127.0.0.1:{services.ports['4200']}/api"
    (deployment,) = [one for one in ask(f"{api}/deployments/filter", {}) if "road" in one["tags"]]
    made = ask(f"{api}/deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED"}
    return wait_for(lambda: (run := ask(f"{api}/flow_runs/{made['id']}"))["state_type"] in final and run, 300)


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
