"""Runs in MLflow: one parent per road, one nested run per node that worked. A view of the artifacts, never the truth.

MLflow costs 1.6 s to import: import this module where a road is run, not where it is planned. Only the parent process
writes, through the client (nothing global is set); metrics are written in batches and not waited for.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import (
    MANIFEST,
    Artifact,
    CleanCorpus,
    Corpus,
    Evaluation,
    InputRecord,
    LabelledData,
    Manifest,
    RawCorpus,
    Tokenizer,
    files_of,
)
from tasks.runtime.corpus_card import CARD, FACTS, corpus_card, read_facts
from tasks.runtime.data_card import data_card
from tasks.runtime.logged_figures import pictures, tables
from tasks.runtime.metric_names import Point, accepted, flat, live_name, manifest_points, numbers
from tasks.runtime.mlflow_store import experiment_of, mlflow_errors, open_client, reported
from tasks.runtime.processes import is_gone, this_process, this_user
from tasks.runtime.store import execution_in
from tasks.runtime.system_metrics import Sampler
from tasks.runtime.visible import visible
from tasks.runtime.workspace import Workspace

PROCESS = "textmill.process"
NOTE = "mlflow.note.content"
VALUE_LIMIT, NOTE_LIMIT = 6000, 8000
PARAMS_PER_BATCH, TAGS_PER_BATCH, METRICS_PER_BATCH = 100, 100, 500
FLUSH_SECONDS, PATIENCE_SECONDS = 2.0, 5.0


@dataclass
class Tracking:
    """The MLflow side of one workspace. One road at a time: `start_road`, then its nodes, then `end_road`.

    What MLflow cannot take while nodes work is lost to its pages and to nothing else: no node fails for it.
    """

    workspace: Workspace
    licences: Mapping[str, str] = field(default_factory=dict)
    """Of the texts, by name of their source: for the corpus's card."""
    road: str = field(init=False, default="")
    """MLflow's id of the parent run."""
    experiment: str = field(init=False, default="")
    silent: bool = field(init=False, default=False)
    """The store let us wait in vain: until a node runs, its pages are not worth waiting for again."""
    _reused: dict[str, str] = field(init=False, default_factory=dict)  # tags, to be written in one call for all

    @cached_property
    def client(self) -> Any:
        return open_client(self.workspace)

    def start_road(self, name: str, run_id: str, config: Mapping[str, Any]) -> None:
        """Open the parent run of a road of model `name`; runs that killed processes left open are closed first.

        Raises:
            RefusedInput: when the store does not take it: nothing has been done yet.
        """
        with reported(self.workspace):
            self.experiment = experiment_of(self.client, self.workspace, name)
            self._sweep()
            self.road = self._open(run_id, {"textmill.run": run_id}, config)

    def node_started(self, node: str, config: Mapping[str, Any], inputs: Mapping[str, InputRecord]) -> NodeRun:
        self._tell_reused()
        run = NodeRun(self.client, node, self.workspace.root / ".cache", self.licences)
        with run.tracked():
            run.run_id = self._open(node, {"textmill.node": node, "mlflow.parentRunId": self.road}, config)
            if inputs:
                self._log_inputs(run.run_id, inputs)
        self.silent = bool(run.lost)
        return run

    def node_reused(self, artifact: Artifact, original_run_id: str) -> None:
        """A reused node opens no run: the parent points to the run that made the artifact."""
        self._reused[f"node.{artifact.node}"] = f"{original_run_id or 'unknown'}/{artifact.fingerprint}"

    def describe_road(self, note: str, metrics: Mapping[str, float]) -> None:
        """What the road led to, for the parent's page: Markdown, and figures by name."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        found = [Metric(accepted(name), value, now, 0) for name, value in metrics.items()]
        self._show(lambda: self.client.log_batch(self.road, metrics=found, tags=[RunTag(NOTE, note[:NOTE_LIMIT])]))

    def attach_to_road(self, file: Path) -> None:
        """Show a file on the parent's page."""
        self._show(lambda: self.client.log_artifact(self.road, str(file)))

    def end_road(self, status: str) -> None:
        """Close the parent run: `FINISHED`, `FAILED` or `KILLED`. If that cannot be told now, the next run does it."""
        if status != "KILLED":  # who stops a run waits for one call
            self._tell_reused()
        with contextlib.suppress(*mlflow_errors()):
            self.client.set_terminated(self.road, status)

    def _tell_reused(self) -> None:
        from mlflow.entities import RunTag

        while self._reused:
            tags = [RunTag(*self._reused.popitem()) for _ in range(min(TAGS_PER_BATCH, len(self._reused)))]
            self._show(partial(self.client.log_batch, self.road, tags=tags))

    def _show(self, write: Callable[[], Any]) -> None:
        if self.silent:
            return
        began = time.monotonic()
        with contextlib.suppress(*mlflow_errors()):
            write()
            return
        self.silent = time.monotonic() - began > PATIENCE_SECONDS

    def _open(self, name: str, tags: Mapping[str, str], config: Mapping[str, Any]) -> str:
        about = {PROCESS: this_process(), "mlflow.user": this_user(), "mlflow.source.name": "textmill"}
        run = self.client.create_run(self.experiment, run_name=name, tags={**about, **tags})
        params = _params(config)
        for start in range(0, len(params), PARAMS_PER_BATCH):
            self.client.log_batch(run.info.run_id, params=params[start : start + PARAMS_PER_BATCH])
        return str(run.info.run_id)

    def _log_inputs(self, run: str, inputs: Mapping[str, InputRecord]) -> None:
        from mlflow.entities import DatasetInput, InputTag

        self.client.log_inputs(
            run,
            datasets=[
                DatasetInput(
                    _dataset(record.node, record.kind, record.digest, record.fingerprint),
                    [InputTag("mlflow.data.context", name), InputTag("digest", record.digest)],
                )
                for name, record in inputs.items()
            ],
        )

    def _sweep(self) -> None:
        """Close what killed processes left open, under whatever model's name."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        running = self.client.search_runs(experiments, filter_string="attributes.status = 'RUNNING'")
        for run in running:
            if is_gone(run.data.tags.get(PROCESS, "")):
                self.client.set_terminated(run.info.run_id, "KILLED")


@dataclass
class NodeRun:
    """The run of one node. It is closed by exactly one of `finished`, `failed` and `killed`."""

    client: Any
    node: str
    cache: Path
    licences: Mapping[str, str]
    run_id: str = ""
    """Empty if MLflow took none."""
    lost: str = ""
    """Why MLflow has not got everything; empty if it has. Nothing more is sent then."""
    _buffer: list[Any] = field(default_factory=list)
    _pending: list[Any] = field(default_factory=list)
    _flushed: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sampler: Sampler | None = None

    @contextlib.contextmanager
    def tracked(self) -> Iterator[None]:
        try:
            yield
        except mlflow_errors() as error:
            self.lost = str(error)

    def watch(self, pid: int) -> None:
        """Sample what the node's process and its descendants use, until the run is closed."""
        self._sampler = Sampler(pid, self._add)

    def metrics(self, metrics: Iterable[Point]) -> None:
        """Record what a stage logs (name, value, step): buffered, then written in the background."""
        self._add([(live_name(name), value, step) for name, value, step in metrics])

    def finished(self, artifact: Artifact) -> None:
        """Record the figures and the files of the artifact, and close the run. Shards are never uploaded."""
        manifest = artifact.manifest
        self._stop_sampling()
        self._add([*manifest_points(manifest.kind, manifest.metrics), *_costs(artifact)])
        self._send(lambda: self._log_result(artifact, manifest))
        self._send(lambda: self.client.set_terminated(self.run_id, "FINISHED"))

    def failed(self, message: str) -> None:
        self._send(lambda: self.client.set_tag(self.run_id, "textmill.error", message))
        self._end("FAILED")

    def killed(self) -> None:
        self._end("KILLED")

    def _end(self, status: str) -> None:
        self._stop_sampling()
        self._flush()
        self._send(lambda: self.client.set_terminated(self.run_id, status))

    def _stop_sampling(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()

    def _add(self, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with self._lock:
            self._buffer += [Metric(accepted(name), float(value), now, step or 0) for name, value, step in points]
            due = len(self._buffer) >= METRICS_PER_BATCH or time.monotonic() - self._flushed > FLUSH_SECONDS
        if due:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            metrics, self._buffer, self._flushed = self._buffer, [], time.monotonic()
            for start in range(0, len(metrics), METRICS_PER_BATCH):
                self._send(partial(self._log_batch, metrics[start : start + METRICS_PER_BATCH]))

    def _log_batch(self, metrics: list[Any]) -> None:
        self._pending.append(self.client.log_batch(self.run_id, metrics=metrics, synchronous=False))

    def _send(self, write: Callable[[], Any]) -> None:
        if not self.lost:
            with self.tracked():
                write()

    def _log_result(self, artifact: Artifact, manifest: Manifest) -> None:
        from mlflow.entities import RunTag

        self._flush()
        for operation in self._pending:
            operation.wait()
        tags = {"fingerprint": artifact.fingerprint, "digest": artifact.digest, "kind": manifest.kind}
        note = f"Artifact `artifacts/{artifact.node}/{artifact.fingerprint}` of kind {manifest.kind}, stage version "
        note += f"{manifest.version}. Seen from the workspace: `textmill show {artifact.node}`."
        self.client.log_batch(
            self.run_id,
            tags=[RunTag(NOTE, note), *(RunTag(f"textmill.{name}", value) for name, value in tags.items())],
        )
        self.client.log_artifact(self.run_id, str(artifact.path / MANIFEST))
        if isinstance(artifact, Tokenizer | Evaluation):
            for name, path in files_of(artifact.path).items():
                self.client.log_artifact(self.run_id, str(path), str(Path(name).parent).removeprefix("."))
        for name, table in tables(artifact).items():
            self.client.log_table(self.run_id, dict(table), name)
        for name, figure in pictures(artifact, self.cache).items():
            self.client.log_figure(self.run_id, figure, name)
        if isinstance(artifact, RawCorpus | LabelledData | CleanCorpus | Corpus):
            self._log_data(artifact, manifest)

    def _log_data(self, artifact: Artifact, manifest: Manifest) -> None:
        from mlflow.entities import DatasetInput, InputTag

        profile = json.dumps(dict(numbers(manifest.metrics)))[:VALUE_LIMIT]
        dataset = _dataset(artifact.node, manifest.kind, artifact.digest, artifact.fingerprint, profile)
        tags = [InputTag("mlflow.data.context", "output"), InputTag("digest", artifact.digest)]
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, tags)])
        if isinstance(artifact, Corpus) and FACTS in manifest.files:
            facts = read_facts(artifact, self.licences)
            self.client.log_text(self.run_id, corpus_card(facts), CARD)
            self.client.log_dict(self.run_id, facts, FACTS)
        else:
            self.client.log_text(self.run_id, data_card(manifest), CARD)


def _costs(artifact: Artifact) -> list[Point]:
    """What it cost to make, as its execution record has it."""
    if (execution := execution_in(artifact.path)) is None:
        return []
    return [
        ("used/seconds", execution.seconds, None),
        ("used/cpu_seconds", execution.cpu_seconds, None),
        ("used/memory_megabytes", execution.memory_bytes / 1e6, None),
        ("used/disk_megabytes", execution.disk_bytes / 1e6, None),
    ]


def _params(config: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(accepted(name), visible(value)[:VALUE_LIMIT]) for name, value in flat(config)]


def _dataset(node: str, kind: str, digest: str, fingerprint: str, profile: str | None = None) -> Any:
    from mlflow.entities import Dataset

    source = json.dumps({"artifact": f"artifacts/{node}/{fingerprint}"})
    return Dataset(name=f"{node} ({kind})", digest=digest[:32], source_type="textmill", source=source, profile=profile)
