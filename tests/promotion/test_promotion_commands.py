"""`promote`, `rollback` and `predict` as a person types them, on a real registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import main
from pipeline_config.promotion import PromotionConfig
from tasks.promotion.promote import register_and_promote
from tasks.runtime.registry import Registry
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import Shop

YAML = """
preset: cloud-security
model: {name: m}
promotion: {auto: false}
"""


@pytest.fixture
def workspace(shop: Shop) -> Path:
    """Versions 1 (teacher), 2 (student), 3 (int8); nothing is promoted."""
    register_and_promote(
        Registry(shop.workspace),
        model="m",
        config=PromotionConfig(auto=False),
        evaluation=shop.evaluation,
        models=shop.models,
        compressed=shop.compressed,
        checkpoint=None,
        run_ids={},
    )
    (shop.workspace.root / "textmill.yaml").write_text(YAML)
    return shop.workspace.root


def test_promote_again_rollback_rollback(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--workspace", str(workspace)]
    assert main(["predict", "m", "--text", "x", *at]) == 2
    assert "m has no alias 'champion'" in capsys.readouterr().err
    assert main(["promote", "m", "3", *at]) == 0
    assert "promoted: m version 3 (int8) is champion. All 5 gates passed." in capsys.readouterr().out
    ledger = (workspace / "ledger.jsonl").read_bytes()
    assert main(["promote", "m", "3", *at]) == 0
    assert "champion already" in capsys.readouterr().out
    assert (workspace / "ledger.jsonl").read_bytes() == ledger
    assert main(["rollback", "m", "--json", *at]) == 0
    assert json.loads(capsys.readouterr().out)["to"] == {"champion": None, "previous": None}
    assert main(["rollback", "m", *at]) == 2
    assert "no promotion is left to undo" in capsys.readouterr().err


def test_a_refused_promotion_exits_3_and_an_unknown_one_2(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--workspace", str(workspace)]
    text = (workspace / "textmill.yaml").read_text()
    (workspace / "textmill.yaml").write_text(text.replace("auto: false", "min_agreement: 1.0, parent_margin: 0.0"))
    assert main(["promote", "m", "2", "--json", *at]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["promoted"] is False
    assert "version 2 is not promoted" in captured.err
    assert f"textmill promote m 2 --workspace {workspace} --override" in captured.err
    assert main(["promote", "m", "2", "--override", "we know", *at]) == 0
    assert "promoted against its gates" in capsys.readouterr().out
    assert main(["promote", "m", "9", *at]) == 2
    assert "Versions of m: 1, 2, 3" in capsys.readouterr().err
    assert main(["rollback", "other", *at]) == 2
    assert "other: no such model. Registered models: m." in capsys.readouterr().err
    assert main(["promote", "other", "1", *at]) == 2
    assert "textmill.yaml is the config of m (model.name), not of other" in capsys.readouterr().err
    assert main(["promote", "m", "1", "--override", " ", *at]) == 2


def test_promote_judges_by_the_config_and_settings_it_is_given(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = workspace / "strict.yaml"
    strict.write_text(YAML.replace("auto: false", "min_agreement: 1.0, parent_margin: 0.0"))
    assert main(["promote", "m", "2", str(strict), "--workspace", str(workspace)]) == 2
    assert "leave --workspace out" in capsys.readouterr().err
    assert main(["promote", "m", "2", str(strict)]) == 3
    assert main(["promote", "m", "2", "promotion.parent_margin=0.0", "--workspace", str(workspace)]) == 3
    assert main(["promote", "m", "2", "promotion.parent_margin=lots", "--workspace", str(workspace)]) == 2
    assert main(["promote", "m", "2", "--workspace", str(workspace)]) == 0


def test_nothing_registered_is_said_and_makes_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "m", "--workspace", str(tmp_path)]) == 2
    assert "nothing is registered here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [1, 3])
def test_predict_text(workspace: Path, version: int, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--workspace", str(workspace)]
    assert main(["predict", f"m/{version}", "--text", "public access", "--text", " ", "--json", *at]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == f"m version {version}"
    good, bad = report["predictions"]
    assert good["label"] in ("storage", "network", "logging")
    assert 1 / 3 < good["score"] <= 1
    assert bad == {"line": 2, "error": "the text is empty"}


def test_a_version_whose_files_are_gone_is_shown_as_such(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(Workspace(workspace))
    shutil.rmtree(registry.folder(registry.get("m", 3)))
    assert main(["show", "m/3", "--workspace", str(workspace)]) == 0
    said = capsys.readouterr().out
    assert "DAMAGED: all files are gone" in said
    assert "made from" in said


def test_predict_with_a_damaged_version_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(Workspace(workspace))
    model = registry.folder(registry.get("m", 3)) / "model.onnx"
    model.write_bytes(b"x" + model.read_bytes()[1:])
    assert main(["predict", "m/3", "--text", "x", "--workspace", str(workspace)]) == 2
    assert "m version 3: damaged: model.onnx. " in capsys.readouterr().err


def test_predict_a_file_names_bad_rows_and_keeps_the_order(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(
        b'{"id": 1, "text": "public access", "label": "gold"}\n'
        b'{"id": 2}\n'
        b"\n"
        b"not json\n"
        b'{"id": 4, "text": "\xff"}\n'
        b'["text"]\n'
        b'{"id": 5, "text": 7}\n'
        b'{"id": 6, "text": "audit logging"}\n'
    )
    arguments = ["predict", "m@challenger", "--file", str(source), "--out", str(out), "--workspace", str(workspace)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "2 labelled by m version 3, 5 not" in captured.out
    assert f"{source}, line 4: not JSON" in captured.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row.get("id") or -row["line"] for row in rows] == [1, -2, -4, -5, -6, -7, 6]
    assert rows[0]["label_given"] == "gold"
    assert rows[3]["error"] == "not UTF-8 (byte 20)"
    assert list(tmp_path.glob(".*")) == []


def test_predict_csv_and_txt(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--workspace", str(workspace)]
    table, text = tmp_path / "in.csv", tmp_path / "in.txt"
    table.write_bytes(b'name,text\na,"public\naccess"\nb\nc,"x\xff"\nd,audit\n')
    text.write_text("public access\n\naudit\n")
    assert main(["predict", "m/3", "--file", str(table), *at]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row.get("name"), row.get("line"), row.get("error")) for row in rows] == [
        ("a", None, None),
        (None, 4, "expected 2 cells"),
        (None, 5, "not UTF-8"),
        ("d", None, None),
    ]
    assert main(["predict", "m/3", "--file", str(text), *at]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["predict", "m/3", "--file", str(table), "--column", "body", *at]) == 2
    assert "no column 'body'. It has: name, text." in capsys.readouterr().err
    assert main(["predict", "m/3", "--file", str(tmp_path / "no.csv"), *at]) == 2
    assert main(["predict", "m/3", "--file", str(tmp_path), *at]) == 2


@pytest.mark.parametrize("arguments", [("-m", "flows", "predict", "m/3", "--text", "x"), ("-c", "{}")])
def test_no_library_leaves_anything_in_the_home(workspace: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Neither with our command nor with the code that a version is served by elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    hushed = ("TRACK", "TELEMETRY", "XDG_", "CI", "GITHUB_", "PYTEST_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hushed) and "TELEM" not in name}
    kept.pop("DO_NOT_TRACK", None)
    folder = Registry(Workspace(workspace)).folder(Registry(Workspace(workspace)).get("m", 3))
    serve = "import pathlib, runpy; runpy.run_path(next(map(str, pathlib.Path({!r}).rglob('serve.py'))))"
    command = [sys.executable, *(one.replace("{}", serve.format(str(folder))) for one in arguments)]
    at = ["--workspace", str(workspace)] if "predict" in arguments else []
    done = subprocess.run([*command, *at], env=kept | {"HOME": str(home)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in home.rglob("*")] == []
