"""`textmill server` where PREFECT_API_URL names the server that runs use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.__main__ import main

NOWHERE = "http://127.0.0.1:9/api"


@pytest.mark.parametrize("action", ["start", "status"])
def test_the_named_server_is_told_and_none_is_started(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    assert main(["server", action, "--workspace", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"runs use the Prefect server at {NOWHERE}, but nothing answers there." in told
    assert ("None is started" in told) == (action == "start")
    assert main(["server", action, "--json", "--workspace", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "running": False,
        "api_url": NOWHERE,
        "named_by": "PREFECT_API_URL",
    }
    assert list(tmp_path.iterdir()) == []
