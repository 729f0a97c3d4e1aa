"""Where MLflow keeps what it is told: `mlflow.db` and `mlflow/` of the workspace, or the server that was configured."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tasks.runtime.errors import RefusedInput, StageFailed, full_disk
from tasks.runtime.reachable import check_reachable, shown
from tasks.runtime.workspace import Workspace, file_lock

BUSY_SECONDS = 20.0
"""How long a database is waited for in which another process writes: as long as MLflow waits."""
DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


def open_client(workspace: Workspace, address: str = "") -> Any:
    """The `MlflowClient` of a workspace: of `address`, else the server in `MLFLOW_TRACKING_URI`, else `mlflow.db`."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # 30 s, time to start a server again, not 4 minutes
    if not address:
        check_reachable("MLFLOW_TRACKING_URI")
    from mlflow import MlflowClient

    # A new database and a look at the input example are announced at level INFO; nobody can act on it. What goes wrong
    # with the database is logged with its trace and raised as well; once is enough.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    address = address or tracking_address(workspace)
    if not address.startswith("sqlite"):
        return MlflowClient(tracking_uri=address, registry_uri=address)
    with file_lock(workspace.root / ".mlflow.lock"):  # two runs at once must not both make the tables
        try:
            _follow_move(workspace)
        except sqlite3.Error as error:
            raise full_disk(error) or not_done(shown_address(workspace), error) from error
        return MlflowClient(tracking_uri=address, registry_uri=address)


def _follow_move(workspace: Workspace) -> None:
    """MLflow keeps absolute paths of files: after the workspace was moved or copied, point them to where it is now."""
    database, here = workspace.root / "mlflow.db", str(workspace.root / "mlflow")
    if not database.is_file():
        return
    places = (
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "storage_location"),
    )
    with contextlib.closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(table for table, _ in places):
            return
        known = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (there,) in known:
            if not there or there == here or not there.endswith("/mlflow"):
                continue
            for table, column in places:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (here, len(there) + 1, there, len(there) + 1, f"{there}/"),
                )


def aliases_on_disk(workspace: Workspace, model: str) -> dict[str, int] | None:
    """The aliases of a model as `mlflow.db` holds them now, read without MLflow; None where a server keeps them."""
    database = workspace.root / "mlflow.db"
    if os.environ.get("MLFLOW_TRACKING_URI") or not database.is_file():
        return None
    asked = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
            return {alias: int(version) for alias, version in connection.execute(asked, (model,))}
    except sqlite3.Error:
        return None


def mlflow_errors() -> tuple[type[Exception], ...]:
    """What a store that does not answer, or does not take what it is told, raises."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError)


@contextlib.contextmanager
def reported(workspace: Workspace) -> Iterator[None]:
    """Within, what the store raises becomes a sentence: `StageFailed`, since asking again may help."""
    try:
        yield
    except mlflow_errors() as error:
        raise full_disk(error) or not_done(shown_address(workspace), error) from error


def not_done(store: str, error: BaseException) -> StageFailed:
    told = " ".join(str(error).partition("\n")[0].split())[:300]
    return StageFailed(
        f"MLflow ({store}) did not do what it was asked: {told}\n"
        "  What is done is kept; the same command goes on from there."
    )


def shown_address(workspace: Workspace) -> str:
    """The store's address without the password that may be in it."""
    return shown(tracking_address(workspace))


def tracking_address(workspace: Workspace) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or own_address(workspace)


def own_address(workspace: Workspace) -> str:
    return f"sqlite:///{workspace.root / 'mlflow.db'}"


def experiment_of(client: Any, workspace: Workspace, name: str) -> str:
    """The id of the experiment `name`; it is made with its files in the workspace unless a server keeps them.

    Raises:
        RefusedInput: when it was deleted.
    """
    kind = {"mlflow.experimentKind": "custom_model_development"}  # else its pages are about prompts and traces
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage != "active":
            raise RefusedInput(
                f"MLflow's experiment {name!r} was deleted, and with it the runs of this model. To have it back: "
                f"MLFLOW_TRACKING_URI={shown_address(workspace)} mlflow experiments restore "
                f"--experiment-id {found.experiment_id}\n  Or give the model another name (model.name)."
            )
        for key, value in kind.items():
            if key not in found.tags:
                client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)
    local = tracking_address(workspace).startswith(DATABASES)  # MLflow's own choice is the current folder
    location = str(workspace.root / "mlflow") if local else None
    return str(client.create_experiment(name, artifact_location=location, tags=kind))


@contextlib.contextmanager
def global_address(address: str) -> Iterator[None]:
    """MLflow's SQL registry looks up `models:/ID` at the global address whatever client is used."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(address)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def is_local(location: str) -> bool:
    """Whether files lie where this process can read them, not behind a server."""
    return location.startswith(("/", "file:"))


def quoted(name: str) -> str:
    if "'" in name:
        raise RefusedInput(f"{name!r}: expected the name of a registered model, without quotes.")
    return name
