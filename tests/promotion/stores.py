"""Real stores to test against: `mlflow server` on a free port, and a throw-away PostgreSQL cluster."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def mlflow_server(database: str, folder: Path) -> Iterator[str]:
    """Its address. What is uploaded lies in `folder`; clients see it through the server alone."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder), "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    folder.mkdir(parents=True)
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of an empty database; the server ends and its files go with the block. It refuses to run as root."""
    assert BINARIES, "PostgreSQL is not installed: apt-get install postgresql"
    port = free_port()
    data = folder / "data"
    data.mkdir(parents=True)
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.chown(data, user.pw_uid, user.pw_gid)
        for parent in [*folder.parents][:-2]:  # pytest's folders are for their owner alone
            parent.chmod(parent.stat().st_mode | 0o011)
    _pg("initdb", "-D", str(data), "-U", "textmill", "--auth=trust", "--no-sync", "-E", "UTF8")
    start_postgres(folder, port)
    try:
        _pg("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "textmill", "mlflow")
        yield f"postgresql://textmill:secret@127.0.0.1:{port}/mlflow"
    finally:
        _pg("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def start_postgres(folder: Path, port: int) -> None:
    """Start the cluster in `folder`, after a kill as well."""
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"
    for attempt in range(60):
        try:
            _pg("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
            return
        except AssertionError:  # processes of the killed one are still about to end
            if attempt == 59:
                raise
            time.sleep(1)


def _pg(program: str, *arguments: str) -> None:
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    command = [*as_user, str(BINARIES[-1] / program), *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
    assert done.returncode == 0, f"{command}: {done.stderr}"
