"""The services of infra/compose.yaml as plain processes: same commands, environment and health checks, no engine.

Names of services become 127.0.0.1, ports free ones, mounted places folders of the test. PostgreSQL is that of the
system's packages; what its image does when it starts for the first time is done here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.workspace import ROOT, bare_environment, kill_group, wait_for

FILE = ROOT / "infra" / "compose.yaml"
PORTS = ("4200", "5000", "5432", "8080")
USER = "postgres"


def definition() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@dataclass
class Services:
    folder: Path
    """Where the services write, and the log of each."""
    places: Mapping[str, str]
    """Folders of containers, and what stands in their place."""
    variables: Mapping[str, str]
    """What infra/.env holds."""
    ports: Mapping[str, str]

    def adapt(self, text: str) -> str:
        """What compose and the containers' network do to a string of the file."""
        text = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: self.variables.get(found[1], found[2] or ""), text)
        text = re.sub(r"\b(postgres|prefect|mlflow|localhost|serve)(?=:\d)", "127.0.0.1", text)
        text = re.sub(
            rf"\b({'|'.join(PORTS)})\b", lambda found: self.ports[found[1]], text.replace("0.0.0.0", "127.0.0.1")
        )
        places = "|".join(self.places)
        return re.sub(rf"(?<![\w.])({places})\b", lambda found: self.places[found[1]], text)

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        own = {name: self.adapt(str(value)) for name, value in service.get("environment", {}).items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return bare_environment() | {"PATH": path, "HOME": str(self.folder), "DO_NOT_TRACK": "true"} | own

    def healthy(self, service: Mapping[str, Any]) -> bool:
        kind, *test = map(self.adapt, service["healthcheck"]["test"])
        command = test if kind == "CMD" else ["sh", "-c", test[0]]
        seconds = float(service["healthcheck"]["timeout"].removesuffix("s"))
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, env=self.environment(service), capture_output=True, timeout=seconds, check=False
            )
            return done.returncode == 0
        return False

    @contextmanager
    def up(self, name: str, command: list[str] | None = None) -> Iterator[None]:
        """The service `name`, from when its health check passes."""
        service = definition()["services"][name]
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command or [self.adapt(word) for word in service["command"]],
                cwd=self.adapt(service["working_dir"]) if "working_dir" in service else self.folder,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                try:
                    wait_for(lambda: self.healthy(service), 120, process)
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}\n{log.read_text()}") from error
                yield
            finally:
                process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                kill_group(process)

    @contextmanager
    def postgres(self) -> Iterator[None]:
        """Like its image: a cluster with the user and the database that are named, then the mounted scripts."""
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        service = definition()["services"]["postgres"]
        given = self.environment(service)
        data, password = self.folder / "data", self.folder / "password"
        data.mkdir()
        password.write_text(given["POSTGRES_PASSWORD"])
        as_user: list[str] = []
        if os.getuid() == 0:
            shutil.chown(data, USER)
            shutil.chown(password, USER)
            as_user = ["runuser", "-u", USER, "--"]
        options = f"--username={given['POSTGRES_USER']} --auth=scram-sha-256 --pwfile={password}"
        subprocess.run(
            [*as_user, programs / "initdb", *shlex.split(options), "--pgdata", data],
            check=True,
            capture_output=True,
            cwd="/",
        )
        command = [*as_user, str(programs / service["command"][0]), *service["command"][1:], "-D", str(data)]
        places = ["-c", f"unix_socket_directories={data}", "-c", "listen_addresses=127.0.0.1", "-p", self.ports["5432"]]
        with self.up("postgres", [*command, *places]):
            client = {"PGUSER": given["POSTGRES_USER"], "PGPASSWORD": given["POSTGRES_PASSWORD"]}
            psql = ["psql", "--host=127.0.0.1", f"--port={self.ports['5432']}", "--quiet", "--dbname"]
            (script,) = [place for place in service["volumes"] if place.endswith(".sql:ro")]
            for database, how in (
                ("postgres", ["--command", f"CREATE DATABASE {given['POSTGRES_DB']}"]),
                (given["POSTGRES_DB"], ["--file", str(FILE.parent / script.partition(":")[0])]),
            ):
                subprocess.run([*psql, database, *how], env=given | client, check=True, capture_output=True)
            yield


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
