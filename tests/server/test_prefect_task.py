"""Nodes as Prefect tasks: what Prefect's cache takes for a hit, and that the store alone decides."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from pydantic import BaseModel

from flows.operation.prefect_client import without_trace
from flows.operation.server import ServerRecord
from tasks.runtime.artifact import Artifact, Corpus
from tasks.runtime.errors import StageFailed
from tasks.runtime.execution import Session
from tasks.runtime.prefect_task import ArtifactSerializer, PrefectCall
from tasks.runtime.runs import RunRecord
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Context, Stage, stage
from tasks.runtime.store import Execution, Store
from tasks.runtime.workspace import Workspace


class Config(BaseModel):
    text: str = ""


@stage("select", version=1)
def first(ctx: Context, config: Config) -> Corpus:
    (ctx.out / "text").write_text(config.text)
    return ctx.finish(Corpus, metrics={})


@stage("pack", version=1)
def second(ctx: Context, config: Config, corpus: Corpus) -> Corpus:
    (ctx.out / "text").write_text(config.text + (corpus.path / "text").read_text())
    return ctx.finish(Corpus, metrics={})


class Deaf:
    """Observer and tracker of nothing."""

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return lambda *_args, **_kwargs: None


class InProcess(Session):
    """Works here, not in a child; remembers what it made."""

    def _make(self, stage: Stage[Any, Any], node: str, arguments: dict[str, Any], _: str) -> Any:
        made.append(node)
        work = self.store.workspace.work(node, stage.fingerprint(arguments))
        (work / "out").mkdir(parents=True)
        job = stage.job(node, arguments, work / "out", work)
        artifact = stage.execute(job, lambda _: None, Settings())
        return self.store.publish(artifact, Execution())[0]


made: list[str] = []


@pytest.fixture(autouse=True)
def api(standing_server: tuple[Workspace, ServerRecord]) -> Iterator[None]:
    updates = {PREFECT_API_URL: standing_server[1].api_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(updates):
        yield


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """`run(text=…, force=…)`: run the two nodes in a fresh session; return what was made."""

    def call(*, text: str = "a", force: tuple[str, ...] = ()) -> list[str]:
        made.clear()
        record = RunRecord(id="r", config_file="", started="")
        session = InProcess(Store(Workspace(tmp_path)), Settings(), Deaf(), Deaf(), record, force)

        @flow(name="road", persist_result=False)
        def road() -> None:
            node = PrefectCall(session)
            corpus = node(first, "", Config(text=text))
            packed = node(second, "general", Config(text="b"), corpus)
            assert (packed.path / "text").read_text() == f"b{text}"

        road()
        assert set(session.record.nodes) <= {"select", "pack.general"}
        return list(made)

    return call


def folder(tmp_path: Path, node: str) -> Path:
    (found,) = (path for path in (tmp_path / "artifacts" / node).iterdir() if path.is_dir())
    return found


def test_what_is_unchanged_is_cached(run: Callable[..., list[str]], tmp_path: Path) -> None:
    assert run() == ["select", "pack.general"]
    record = next(folder(tmp_path, "select").glob(".prefect-*"))  # beside the artifact, and goes with it
    assert json.loads(json.loads(record.read_text())["result"])["node"] == "select"
    states: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: states.append(record.getMessage())  # type: ignore[method-assign]  # shorter than a class
    logging.getLogger("prefect.task_runs").addHandler(handler)
    try:
        assert run() == []
    finally:
        logging.getLogger("prefect.task_runs").removeHandler(handler)
    assert [state for state in states if "Cached" in state] == ["Finished in state Cached(type=COMPLETED)"] * 2


def test_a_reused_node_is_on_record(run: Callable[..., list[str]]) -> None:
    run()
    noted: list[str] = []
    original = Session.note_reuse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "note_reuse", lambda self, a: (noted.append(a.node), original(self, a))[1])
        run()
    assert noted == ["select", "pack.general"]


def test_another_recipe_is_no_hit(run: Callable[..., list[str]]) -> None:
    run()
    assert run(text="c") == ["select", "pack.general"]
    assert run(text="a") == run(text="c") == []


def test_a_flipped_byte_is_no_hit(run: Callable[..., list[str]], tmp_path: Path) -> None:
    """Leans on Prefect taking an exception of the serializer for a result that is not there."""
    run()
    (folder(tmp_path, "select") / "text").write_text("x")
    assert run() == ["select"]  # comes out equal, so what follows is reused
    assert run() == []


def test_a_deleted_artifact_is_no_hit(run: Callable[..., list[str]], tmp_path: Path) -> None:
    import shutil

    run()
    shutil.rmtree(folder(tmp_path, "select"))
    assert run() == ["select"]
    (folder(tmp_path, "pack.general") / "manifest.json").unlink()
    assert run() == ["pack.general"]


def test_a_record_that_refers_to_other_bytes_is_no_hit(run: Callable[..., list[str]], tmp_path: Path) -> None:
    run()
    record = next(folder(tmp_path, "select").glob(".prefect-*"))
    record.write_text(record.read_text().replace('digest\\": \\"', 'digest\\": \\"0'))
    assert run() == []  # the task ran, and the store found the artifact


def test_force_runs_what_is_cached(run: Callable[..., list[str]]) -> None:
    run()
    assert run(force=("select",)) == ["select"]
    assert run(force=("pack",)) == ["pack.general"]
    assert run() == []


def test_a_reference_is_nothing_outside_of_a_node() -> None:
    serializer = ArtifactSerializer()
    blob = serializer.dumps(Artifact(node="select", fingerprint="f", digest="d"))
    with pytest.raises(LookupError):
        serializer.loads(blob)


def test_an_error_for_people_has_no_trace() -> None:
    try:
        raise StageFailed("select: everything was dropped.")
    except StageFailed as error:
        record = logging.LogRecord("n", logging.ERROR, "", 0, "failed %s", ("x",), (type(error), error, None))
    assert without_trace(record)
    assert (record.getMessage(), record.exc_info) == ("select: everything was dropped.", None)
