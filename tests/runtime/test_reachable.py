"""A server that the environment names is asked for an answer before any work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows.__main__ import main
from tasks.runtime import reachable
from tasks.runtime.errors import RefusedInput
from tasks.runtime.reachable import check_reachable, endpoint, shown


@pytest.fixture
def forbidding() -> Iterator[str]:
    """A server that answers 501 to everything."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_any_answer_will_do_and_files_need_none(forbidding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = forbidding.replace("http://", "http://me:secret@")
    for address in (forbidding, named, "sqlite:///mlflow.db", "mlruns", ""):
        monkeypatch.setenv("ADDRESS", address)
        check_reachable("ADDRESS")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://me:se/cr?et@db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("postgresql+psycopg2://db/mlflow?user=me&password=secret", "postgresql+psycopg2://db/mlflow"),
        ("http://me:secret@mlflow:5000", "http://mlflow:5000"),
        ("sqlite:////some/mlflow.db", "sqlite:////some/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, expected: str) -> None:
    assert shown(address) == expected


def test_the_usual_port_of_a_database_is_known() -> None:
    assert endpoint("postgresql+psycopg2://me:secret@db/mlflow") == ("db", 5432)
    assert endpoint("sqlite:////some/mlflow.db") is None


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ADDRESS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(RefusedInput, match="no server answers there"):
            check_reachable("ADDRESS")


def test_predict_refuses_where_no_mlflow_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert main(["predict", "m", "--text", "x", "--workspace", str(tmp_path)]) == 2
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9 (environment): no server answers" in capsys.readouterr().err


def test_a_store_that_answers_in_another_tongue_is_told_without_a_trace(
    forbidding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", forbidding)
    (tmp_path / "artifacts").mkdir()
    for command in (["predict", "m", "--text", "x"], ["show", "m@champion"], ["clean"]):
        assert main([*command, "--workspace", str(tmp_path)]) == 1
        assert f"MLflow ({forbidding}) did not do what it was asked: " in capsys.readouterr().err


def test_a_damaged_database_is_told_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    assert main(["predict", "m", "--text", "x", "--workspace", str(tmp_path)]) == 1
    assert "did not do what it was asked: file is not a database" in capsys.readouterr().err


def test_a_run_refuses_where_no_prefect_server_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.operation.prefect_client import connect
    from tasks.runtime.workspace import Workspace

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(RefusedInput, match="PREFECT_API_URL"):
        connect(Workspace(tmp_path), print)
