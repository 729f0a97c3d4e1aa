"""Runs in MLflow: one parent per road, one nested run per node that worked. A view of the artifacts, never the truth.

MLflow costs 1.6 s to import: import this module where a road is run, not where it is planned. Only the parent process
writes, through the client (nothing global is set); metrics are written in batches and not waited for.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
from tasks.runtime.mlflow_store import experiment_of, open_client
from tasks.runtime.workspace import Workspace

PROCESS = "textmill.process"
VALUE_LIMIT, PARAMS_PER_BATCH, METRICS_PER_BATCH = 6000, 100, 500
FLUSH_SECONDS = 2.0


@dataclass
class Tracking:
    """The MLflow side of one workspace. One road at a time: `start_road`, then its nodes, then `end_road`."""

    workspace: Workspace
    road: str = field(init=False, default="")
    """MLflow's id of the parent run."""
    experiment: str = field(init=False, default="")

    @cached_property
    def client(self) -> Any:
        return open_client(self.workspace)

    def start_road(self, name: str, run_id: str, config: Mapping[str, Any]) -> None:
        """Open the parent run of a road of model `name`; runs that killed processes left open are closed first."""
        self.experiment = experiment_of(self.client, self.workspace, name)
        self._sweep()
        self.road = self._open(run_id, {"textmill.run": run_id}, config)

    def node_started(self, node: str, config: Mapping[str, Any], inputs: Mapping[str, InputRecord]) -> NodeRun:
        run = self._open(node, {"textmill.node": node, "mlflow.parentRunId": self.road}, config)
        if inputs:
            self._log_inputs(run, inputs)
        return NodeRun(self.client, run, node)

    def node_reused(self, artifact: Artifact, original_run_id: str) -> None:
        """A reused node opens no run: the parent points to the run that made the artifact."""
        self.client.set_tag(
            self.road, f"node.{artifact.node}", f"{original_run_id or 'unknown'}/{artifact.fingerprint}"
        )

    def end_road(self, status: str) -> None:
        """Close the parent run: `FINISHED`, `FAILED` or `KILLED`."""
        self.client.set_terminated(self.road, status)

    def _open(self, name: str, tags: Mapping[str, str], config: Mapping[str, Any]) -> str:
        run = self.client.create_run(self.experiment, run_name=name, tags={**tags, PROCESS: _this_process()})
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
            if _is_gone(run.data.tags.get(PROCESS, "")):
                self.client.set_terminated(run.info.run_id, "KILLED")


@dataclass
class NodeRun:
    """The run of one node. It is closed by exactly one of `finished`, `failed` and `killed`."""

    client: Any
    run_id: str
    node: str
    _buffer: list[Any] = field(default_factory=list)
    _pending: list[Any] = field(default_factory=list)
    _flushed: float = field(default_factory=time.monotonic)

    def metrics(self, metrics: Iterable[tuple[str, float, int | None]]) -> None:
        """Record (name, value, step): buffered, then written in the background."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._buffer += [Metric(_key(name), float(value), now, step or 0) for name, value, step in metrics]
        if len(self._buffer) >= METRICS_PER_BATCH or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()

    def finished(self, artifact: Artifact) -> None:
        """Record the figures and the files of the artifact, and close the run. Shards are never uploaded."""
        manifest = artifact.manifest
        self.metrics((name, value, None) for name, value in numbers(manifest.metrics))
        self._flush()
        for operation in self._pending:
            operation.wait()
        kind = type(artifact).__name__
        tags = {"fingerprint": artifact.fingerprint, "digest": artifact.digest, "kind": kind}
        for name, value in tags.items():
            self.client.set_tag(self.run_id, f"textmill.{name}", value)
        self.client.log_artifact(self.run_id, str(artifact.path / MANIFEST))
        if isinstance(artifact, Tokenizer | Evaluation):
            for name, path in files_of(artifact.path).items():
                self.client.log_artifact(self.run_id, str(path), str(Path(name).parent).removeprefix("."))
        if isinstance(artifact, RawCorpus | LabelledData | CleanCorpus | Corpus):
            self._log_data(artifact, manifest)
        self.client.set_terminated(self.run_id, "FINISHED")

    def failed(self, message: str) -> None:
        self.client.set_tag(self.run_id, "textmill.error", message)
        self._end("FAILED")

    def killed(self) -> None:
        self._end("KILLED")

    def _end(self, status: str) -> None:
        self._flush()
        self.client.set_terminated(self.run_id, status)

    def _log_data(self, artifact: Artifact, manifest: Manifest) -> None:
        from mlflow.entities import DatasetInput, InputTag

        profile = json.dumps(dict(numbers(manifest.metrics)))[:VALUE_LIMIT]
        dataset = _dataset(artifact.node, manifest.kind, artifact.digest, artifact.fingerprint, profile)
        tags = [InputTag("mlflow.data.context", "output"), InputTag("digest", artifact.digest)]
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, tags)])
        self.client.log_text(self.run_id, data_card(manifest), "card.md")

    def _flush(self) -> None:
        if self._buffer:
            self._pending.append(self.client.log_batch(self.run_id, metrics=self._buffer, synchronous=False))
        self._buffer, self._flushed = [], time.monotonic()


def data_card(manifest: Manifest) -> str:
    """A page of Markdown about a corpus or labelled data: what it was made from, how, and its figures."""
    lines = [
        f"# {manifest.node}: {manifest.kind}",
        "",
        f"Digest `{manifest.digest}`, stage version {manifest.version}.",
    ]
    lines += ["", "## Made from"]
    for name, record in manifest.inputs.items():
        lines.append(f"- {name}: {record.node} `{record.digest}`")
        lines += [f"  - {file} `{digest[:16]}`" for file, digest in list(record.files.items())[:50]]
    lines += ["", "## Figures", *(f"- {name}: {value:g}" for name, value in numbers(manifest.metrics))]
    return "\n".join([*lines, "", "## Config", "```json", json.dumps(manifest.config, indent=1), "```", ""])


def numbers(value: Any, name: str = "") -> list[tuple[str, float]]:
    """The numbers in nested figures, by dotted name; rows of a list are named by their `rung` or position."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [(name, float(value))]
    if isinstance(value, Mapping):
        items: Iterable[tuple[str, Any]] = value.items()
    else:
        items = ((row.get("rung", str(i)) if isinstance(row, Mapping) else str(i), row) for i, row in enumerate(value))
    return [number for key, item in items for number in numbers(item, f"{name}.{key}" if name else str(key))]


def _params(config: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(_key(name), value[:VALUE_LIMIT]) for name, value in flat(config)]


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A config as (dotted name, text); a list is one value."""
    found = []
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return found


def _key(name: str) -> str:
    """A name that MLflow accepts: letters, digits and `_-./ :`, at most 250."""
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in name)[:250]


def _dataset(node: str, kind: str, digest: str, fingerprint: str, profile: str | None = None) -> Any:
    from mlflow.entities import Dataset

    source = json.dumps({"artifact": f"artifacts/{node}/{fingerprint}"})
    return Dataset(name=f"{node} ({kind})", digest=digest[:32], source_type="textmill", source=source, profile=profile)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"


def _is_gone(process: str) -> bool:
    """Whether a process of this host, as `_this_process` named it, has ended. Others are left alone."""
    host, _, rest = process.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return _start_time(int(pid)) != started


def _start_time(pid: int) -> str:
    """Clock ticks since boot at which a process started; empty if there is none. It tells reused ids apart."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
