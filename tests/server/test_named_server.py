"""`textmill server` where the environment names servers that nobody answers at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import main
from flows.operation.services import given_servers, mark_of_given
from tests.e2e.workspace import ROOT, bare_environment

NOWHERE = "http://127.0.0.1:9/api"


@pytest.mark.parametrize("variable", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_it_is_told_and_nothing_is_started(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, NOWHERE)
    assert main(["server", "start", "--workspace", str(tmp_path)]) == 2
    assert f"{variable}={NOWHERE} (environment): no server answers there" in capsys.readouterr().err
    assert main(["server", "status", "--workspace", str(tmp_path)]) == 0
    assert f"{variable} is set: runs use {NOWHERE}, but nothing answers there." in capsys.readouterr().out
    assert main(["server", "status", "--json", "--workspace", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False, "given": {variable: NOWHERE}}
    assert list(tmp_path.iterdir()) == []


def test_status_tells_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/mlflow")
    for options in ([], ["--json"]):
        assert main(["server", "status", *options, "--workspace", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "postgresql://127.0.0.1:9/mlflow" in said
        assert "secret" not in said


def test_another_password_is_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = set()
    for password in ("one", "other"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:{password}@db/mlflow")
        marks.add(mark_of_given())
        assert password not in str(given_servers())
    assert len(marks) == 2


def test_an_empty_variable_names_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    unset = mark_of_given()
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert (given_servers().get("PREFECT_API_URL"), mark_of_given()) == (None, unset)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "--cron", "0 25 * * *"], '--cron "0 25 * * *": cannot be read. Expected minute, hour'),
        (["start", "--cron", ""], "--timezone is that of --cron"),
        (["start", "--cron", "0 2 * * *", "--timezone", "Mars/Olympus"], "--timezone Mars/Olympus: unknown"),
        (["start", "--timezone", "UTC"], "--timezone is that of --cron"),
        (["stop", "--cron", "@daily"], "--cron and --timezone belong to: textmill server start"),
    ],
)
def test_a_bad_schedule_is_refused_before_anything_starts(arguments: list[str], told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows", "server", *arguments, "--workspace", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=bare_environment(), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {".prefect"}
    assert not (tmp_path / ".prefect" / "services.json").exists()
