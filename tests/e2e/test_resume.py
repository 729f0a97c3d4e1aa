"""Killed and interrupted for real, in the middle of training: a rerun goes on and ends with the same bytes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from pathlib import Path

from tests.e2e.conftest import Road
from tests.e2e.test_road import tracked
from tests.e2e.workspace import Textmill, kill_group, ran, started, wait_for


def forget(textmill: Textmill, *nodes: str) -> None:
    for node in nodes:
        for folder in textmill.artifacts(node):
            shutil.rmtree(folder)


def checkpoints(textmill: Textmill, node: str) -> list[Path]:
    return sorted((textmill.root / "work" / node).glob("*/keep/checkpoints/*/step-*.safetensors"))


def processes_of(textmill: Textmill) -> list[int]:
    """Those that have a file of the workspace open: the run and its children, but no server."""
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            targets = [str(link.readlink()) for link in folder.iterdir()]
        except OSError:
            continue
        if any(target.startswith(str(textmill.root)) for target in targets):
            found.append(int(folder.parent.name))
    return found


def kill_within(textmill: Textmill, node: str, count: int) -> None:
    """Start a run and `kill -9` its process group as soon as `node` has written `count` checkpoints."""
    with started(textmill, "run", "--json", "--until", node) as process:
        wait_for(lambda: len(checkpoints(textmill, node)) >= count, process=process)
        kill_group(process)
    wait_for(lambda: not processes_of(textmill), 10)
    assert not textmill.artifacts(node)


def resumed_at(textmill: Textmill, node: str, report: dict[str, object]) -> int:
    log = (textmill.root / "logs" / str(report["run"]) / f"{node}.log").read_text()
    found = re.search(r"resumed \w+ at step (\d+)", log)
    assert found, log
    return int(found[1])


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(road: Road, copy: Textmill) -> None:
    forget(copy, "pretrain", "finetune.base")

    kill_within(copy, "pretrain", 1)
    newest = checkpoints(copy, "pretrain")[-1]
    (out,) = (copy.root / "work/pretrain").glob("*/out")
    (out / "model").mkdir(exist_ok=True)
    (out / "model" / "model.safetensors").write_bytes(b"half of it")
    assert tracked(copy.root)["RUNNING"] == 2, "node and road had no time to say that they ended"
    assert copy.plan()["pretrain"] == ("run", "its artifact was deleted")

    kill_within(copy, "finetune.base", 2)
    assert copy.digest("pretrain") == road.textmill.digest("pretrain")
    log = sorted(copy.root.glob("logs/*/pretrain.log"))[-1]
    assert f"at step {step_of(newest)}" in log.read_text()
    older, torn = checkpoints(copy, "finetune.base")
    torn.write_bytes(torn.read_bytes()[:-100])

    report = copy.run()
    assert ran(report) == ["finetune.base"]
    assert resumed_at(copy, "finetune.base", report) == step_of(older)
    assert copy.digest("finetune.base") == road.textmill.digest("finetune.base")
    assert [node["digest"] for node in report["nodes"]] == [node["digest"] for node in road.report["nodes"]]
    assert "RUNNING" not in tracked(copy.root)
    assert not checkpoints(copy, "finetune.base")


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(road: Road, copy: Textmill) -> None:
    forget(copy, "finetune.base")
    with started(copy, "run") as process:
        wait_for(lambda: checkpoints(copy, "finetune.base"), process=process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 20, "at once, be the machine ever so busy"
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "stopped. What is done is kept; the same command goes on from there." in err
    wait_for(lambda: not processes_of(copy), 5)
    (record,) = [
        json.loads(path.read_text()) for path in copy.root.glob("runs/*/run.json") if '"stopped"' in path.read_text()
    ]
    assert record["nodes"]["pretrain"]["action"] == "reused"
    report = copy.run()
    assert ran(report) == ["finetune.base"]
    assert resumed_at(copy, "finetune.base", report) > 0
    assert copy.digest("finetune.base") == road.textmill.digest("finetune.base")
    assert "RUNNING" not in tracked(copy.root)
