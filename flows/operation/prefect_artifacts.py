"""What a flow run shows in the Prefect UI beside its states: artifacts and log lines, made while the road runs.

Of a run: the ladder (table), its nodes (table), how far the node at work is (progress), and links to the report and
to the MLflow run. Of a node: where its artifact lies, its digest, its main figure and why it ran. An artifact costs
Prefect's server 30 ms, so reused nodes get a line of log alone, and progress is told every `PROGRESS_SECONDS`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from flows.figures import main_figure
from flows.operation.services import running
from flows.running import Outcome
from tasks.promotion.pages import escaped
from tasks.runtime.artifact import Artifact
from tasks.runtime.execution import Observer, Session
from tasks.runtime.prefect_task import PrefectCall
from tasks.runtime.reachable import shown
from tasks.runtime.runs import NodeRecord
from tasks.runtime.units import SCORES, count, duration, signed
from tasks.runtime.workspace import Workspace

PROGRESS_SECONDS = 5.0

log = logging.getLogger("textmill")


class Pages:
    """An `Observer` that passes everything on to another, and writes the pages of flow run `flow_run`."""

    def __init__(self, inner: Observer, flow_run: UUID) -> None:
        self._inner, self._flow_run = inner, flow_run
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._session: Session | None = None
        self._progress: UUID | None = None
        self._told, self._percent = 0.0, 0.0

    def call(self, session: Session) -> PrefectCall:
        self._session = session
        return PrefectCall(session, self.node_done)

    # --- the observer ---

    def started(self, node: str, reason: str) -> None:
        self._told = time.monotonic()
        self._inner.started(node, reason)
        get_run_logger().info("%s runs: %s", node, reason)

    def progress(self, node: str, done: float, total: float, unit: str, note: str) -> None:
        self._inner.progress(node, done, total, unit, note)
        if time.monotonic() - self._told < PROGRESS_SECONDS:
            return
        words = f"{node}: {count(done)} of {count(total)} {unit}" if total else f"{node}: {count(done)} {unit}"
        self._percent = round(100 * done / total, 1) if total else 0.0
        self._show_progress(self._percent, ", ".join(filter(None, (words.strip(), note))))
        self._told = time.monotonic()

    def waiting(self, node: str, what: str) -> None:
        self._inner.waiting(node, what)
        get_run_logger().info("%s waits for %s", node, what)

    def said(self, node: str, line: str) -> None:
        self._inner.said(node, line)

    def missed(self, node: str, what: str) -> None:
        self._inner.missed(node, what)
        get_run_logger().warning("%s: %s", node, what)

    def finished(self, node: str, artifact: Artifact, record: NodeRecord) -> None:
        self._inner.finished(node, artifact, record)

    def failed(self, node: str, message: str) -> None:
        self._inner.failed(node, message)

    # --- pages ---

    def node_done(self, artifact: Artifact, task_run: UUID | None) -> None:
        """Say on the page of a node what it made, or what was reused."""
        session = self._session
        assert session is not None
        record = session.record.nodes[artifact.node]
        place = artifact.path.relative_to(session.store.workspace.root)
        figure = main_figure(artifact)
        how = f"ran in {duration(record.seconds)} ({record.reason})" if record.action == "ran" else "reused"
        marks = {"flow_run_id": str(self._flow_run), "task_run_id": str(task_run) if task_run else None}
        marks |= {"flow_run_name": flow_run.name, "task_run_name": artifact.node}
        logging.getLogger("prefect.task_runs").info(
            "%s %s: %s  [%s, digest %s]", artifact.node, how, figure, place, artifact.digest[:16], extra=marks
        )
        if record.action == "ran":
            rows = {
                "made": escaped(figure),
                "why it ran": escaped(record.reason),
                "took": duration(record.seconds),
                "artifact": f"`{place}`",
                "digest": f"`{artifact.digest}`",
                "log": f"`logs/{session.record.id}/{artifact.node}.log`",
            }
            if record.compared == "different":
                rows["not reproducible"] = "the same recipe gave other bytes than before"
            text = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
            self._create(_key(artifact.node), "markdown", f"| | |\n|---|---|\n{text}\n", f"{figure}", task_run)

    def conclude(self, outcome: Outcome | None) -> None:
        """The pages of the whole run; `outcome`: None if it failed or was stopped."""
        session = self._session
        if session is None:
            return
        if self._progress is not None:
            self._show_progress(100.0 if outcome else self._percent, "done" if outcome else "stopped")
        workspace, record = session.store.workspace, session.record
        nodes = [
            {
                "node": node,
                "": entry.action,
                "seconds": round(entry.seconds, 1) if entry.action == "ran" else None,
                "why it ran": entry.reason,
                "artifact": f"artifacts/{node}/{entry.fingerprint}",
                "digest": entry.digest[:16],
            }
            for node, entry in record.nodes.items()
        ]
        ran = sum(entry.action == "ran" for entry in record.nodes.values())
        self._create("nodes", "table", nodes, f"{ran} nodes ran, {len(nodes) - ran} were reused")
        evaluation = outcome.milestones.evaluation if outcome else None
        if evaluation is not None:
            executed = session.store.execution(evaluation.path)
            rows = ladder_rows(evaluation.metrics, executed.measured if executed else {})
            promotion = outcome.promotion if outcome else None
            self._create("ladder", "table", rows, promotion.sentence() if promotion else None)
        self._create("links", "markdown", links(workspace, record.id, session.tracker))

    def _show_progress(self, percent: float, words: str) -> None:
        with _views_only():
            if self._progress is None:
                self._progress = self._create("progress", "progress", percent, words)
            else:
                self._client.update_artifact(self._progress, ArtifactUpdate(data=percent, description=words))

    def _create(
        self, key: str, kind: str, data: Any, description: str | None = None, task_run: UUID | None = None
    ) -> UUID | None:
        with _views_only():
            wanted = ArtifactCreate(key=key, type=kind, data=data, description=description, flow_run_id=self._flow_run)
            if task_run is not None:
                wanted.task_run_id = task_run
            return self._client.create_artifact(wanted).id
        return None


def ladder_rows(metrics: Mapping[str, Any], measured: Mapping[str, float]) -> list[dict[str, Any]]:
    """The value ladder as rows of a table, the narrow columns first: the page cuts off what is wide."""
    main, other = metrics["metric"], "accuracy" if metrics["metric"] == "macro_f1" else "macro_f1"
    titles = {row["rung"]: row["title"] for row in metrics["rungs"]}
    rows = []
    for row in metrics["rungs"]:
        gain, latency, size = row["gain"], measured.get(f"latency_ms.{row['rung']}"), row["size_bytes"]
        score = row[main]
        rows.append(
            {
                "step": row["title"],
                SCORES[main]: f"{score['value']:.2f} ±{(score['high'] - score['low']) / 2:.2f}",
                SCORES[other]: f"{row[other]['value']:.2f}",
                "MB": None if size is None else round(size / 1e6, 1),
                "ms a text": None if latency is None else round(latency, 1),
                "gain": _signed(gain) if gain else "",
                "over": titles[gain["against"]] if gain else "",
            }
        )
    return rows


def links(workspace: Workspace, run: str, tracker: Any) -> str:
    """Where to read on. A browser opens no `file:` address from a page of a server: the report is linked as MLflow
    serves it, and named by its path."""
    report = workspace.report(run)
    lines = []
    if base := mlflow_address(workspace):
        page = f"{base}/#/experiments/{tracker.experiment}/runs/{tracker.road}"
        lines += [f"- [MLflow run {run}]({page}): settings, metrics, curves, models"]
        lines += [f"- [Report]({page}/artifacts/{report.name}), as MLflow shows it"] if report.exists() else []
    else:
        lines += [f"- MLflow run `{run}`: `textmill server start` serves MLflow"]
    lines += [f"- Report as a file: `{report}`"] if report.exists() else []
    logs = workspace.logs / run
    lines += [f"- Logs of the nodes: `{logs}`"] if logs.is_dir() else []  # none where all nodes were reused
    return "\n".join([*lines, ""])


def mlflow_address(workspace: Workspace) -> str:
    """Where MLflow's pages are served; empty if nowhere."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if given.startswith("http"):
        return shown(given).rstrip("/")
    services = running(workspace)
    return services.url("mlflow") if services else ""


@contextmanager
def _views_only() -> Iterator[None]:
    """A page that cannot be written costs nobody the run."""
    try:
        yield
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        log.warning("a page of the Prefect UI could not be written: %s", error)


def _signed(gain: Mapping[str, float]) -> str:
    value, low, high = (signed(gain[name]) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _key(node: str) -> str:
    """A key as Prefect takes it: lower case, digits and dashes."""
    return "".join(c if c.isalnum() else "-" for c in node.lower())
