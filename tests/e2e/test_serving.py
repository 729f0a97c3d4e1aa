"""A promoted model where there is no Textmill: in an environment with MLflow, ONNX Runtime, tokenizers and numpy."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import venv
from pathlib import Path

import pytest

from tests.e2e.conftest import Road
from tests.e2e.workspace import STEMS, bare_environment, kill_group, text_of, wait_for

TEXTS = [text_of(label, random.Random(3)) for label in STEMS]
LEFT_OUT = ("textmill", "__editable__", "torch", "transformers", "prefect", "datasets", "pytest", "_pytest")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has our packages, as links, but not us, nor torch."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.EnvBuilder(symlinks=True).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(LEFT_OUT) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    for name, module in {"mlflow": "mlflow.cli:cli", "uvicorn": "uvicorn.main:main"}.items():
        imported, _, function = module.partition(":")
        program = folder / "bin" / name
        program.write_text(f"#!{folder}/bin/python\nfrom {imported} import {function}\n{function}()\n")
        program.chmod(0o755)
    return folder / "bin"


def environment(bare: Path, road: Road) -> dict[str, str]:
    kept = {name: value for name, value in bare_environment().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {
        "PATH": f"{bare}:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{road.root}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


PROGRAM = """
import importlib.util, json, sys
import mlflow, pandas
names = ("flows", "tasks", "pipeline_config", "torch", "transformers")
left = [name for name in names if importlib.util.find_spec(name)]
model = mlflow.pyfunc.load_model("models:/tiny@champion")
answers = model.predict(pandas.DataFrame({"text": json.loads(sys.argv[1])}))
print(json.dumps({"there": left, "types": list(map(str, answers.dtypes)), "answers": answers.to_dict("records"),
                  "inputs": model.metadata.signature.inputs.to_dict(), "example": model.input_example is not None}))
"""


def expected(road: Road) -> list[dict[str, object]]:
    arguments = [part for text in TEXTS for part in ("--text", text)]
    predictions = road.textmill("predict", "tiny", *arguments, "--json").json["predictions"]
    return [{"label": one["label"], "score": pytest.approx(one["score"], abs=1e-5)} for one in predictions]


def test_pyfunc_where_there_is_no_textmill(road: Road, bare: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [bare / "python", "-c", PROGRAM, json.dumps(TEXTS)],
        cwd=tmp_path,
        env=environment(bare, road),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["there"] == []
    assert report["answers"] == expected(road)
    assert report["types"][1] == "float64"
    assert [(one["name"], one["type"]) for one in report["inputs"]] == [("text", "string")]
    assert report["example"]


def test_serve_answers_http(road: Road, bare: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [bare / "mlflow", "models", "serve", "--model-uri", "models:/tiny@champion", "--env-manager", "local"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", port, "--host", "127.0.0.1"],
            cwd=tmp_path,
            env=environment(bare, road),
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"dataframe_records": [{"text": text} for text in TEXTS]}).encode(),
            {"Content-Type": "application/json"},
        )

        def answer() -> object:
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                pytest.fail(error.read().decode())
            except OSError:  # it does not listen yet
                return None

        assert wait_for(answer, 90) == {"predictions": expected(road)}
    finally:
        kill_group(server)


def test_the_teacher_loads_as_the_card_says(road: Road) -> None:
    """With mean pooling: the encoder with AutoModel, the head in head.safetensors."""
    program = (
        "import sys, json; from transformers import AutoModel, AutoTokenizer; from safetensors.numpy import load_file\n"
        "folder = sys.argv[1]; AutoTokenizer.from_pretrained(folder); model = AutoModel.from_pretrained(folder)\n"
        "print(json.dumps([model.config.hidden_size, list(load_file(folder + '/head.safetensors')['weight'].shape)]))"
    )
    report = road.textmill("show", "tiny/1", "--json").json
    assert "head.safetensors" in report["card"]
    command = [sys.executable, "-c", program, report["folder"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=bare_environment())
    assert json.loads(done.stdout) == [32, [3, 32]]
