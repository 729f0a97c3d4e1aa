"""Every command of README and docs, typed in a workspace as a person would; what is not is listed with its reason."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contracts.markdown import PAGES, ROOT, blocks
from tests.e2e.compose import free_ports
from tests.e2e.conftest import Road
from tests.e2e.workspace import Textmill, bare_environment, clone, kill_group, wait_for

FOLLOWED = "add-"
"""Pages that tests/contracts/test_how_to.py follows to the letter, in a copy of the repository."""
NOT_RUN = {
    "docker compose": "needs a container engine; test_compose.py starts the same commands without one",
}
CODES = {
    "textmill run finetune.learning_rate=3e-5": (0, 3),  # the gate may refuse what comes of it
}
NAME = "cloud-security"
"""What the docs call their model."""


def lines(page: Path) -> list[str]:
    """The commands of a page's shell blocks, whole, without comments."""
    found = []
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if shlex.split(line, comments=True):
                found.append(re.sub(r"\s+#.*$", "", line).strip())
    return found


COMMANDS = {page.relative_to(ROOT).as_posix(): lines(page) for page in PAGES if not page.name.startswith(FOLLOWED)}


@dataclass
class Shell:
    """Types commands, one after another: the folder and exported variables stay."""

    folder: Path
    workspace: Path
    environment: dict[str, str]
    serving: list[subprocess.Popen[str]] = field(default_factory=list)
    port: str = field(default_factory=lambda: free_ports(1)[0])

    def type(self, line: str) -> None:
        line = re.sub(r"\b5001\b", self.port, line)
        words = shlex.split(line)
        making = words[:2] == ["textmill", "init"]
        if making:  # beside the workspace, not in it; another page has typed it as well
            if self.folder.resolve() == self.workspace:
                self.folder = self.workspace.parent
            if (made := self.folder / words[2]).is_symlink():
                made.unlink()
        match words[0]:
            case "cd":
                self.folder = self.folder / words[1]
            case "export":
                name, _, value = words[1].partition("=")
                self.environment[name] = value
            case "mlflow":
                self.serve(line)
            case _:
                done = subprocess.run(
                    ["bash", "-c", line],
                    cwd=self.folder,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    stdin=subprocess.DEVNULL,
                    timeout=600,
                    check=False,
                )
                said = f"{line}\n{done.stdout}{done.stderr}"
                assert "Traceback" not in said, said
                assert done.returncode in CODES.get(line, (0,)), f"exit code {done.returncode}: {said}"
        if making:  # its road would take minutes: a tiny one stands in
            shutil.rmtree(self.folder / words[2])
            (self.folder / words[2]).symlink_to(self.workspace)

    def serve(self, line: str) -> None:
        process = subprocess.Popen(
            line, shell=True, cwd=self.folder, env=self.environment, text=True, start_new_session=True
        )
        self.serving.append(process)
        wait_for(self.answers, 120, process)

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
        return False


@pytest.fixture
def shell(road: Road, tmp_path: Path) -> Iterator[Shell]:
    textmill = clone(road.textmill, tmp_path / "workspace")
    config = textmill.root / "textmill.yaml"
    config.write_text(config.read_text().replace("{name: tiny,", f"{{name: {NAME},"))
    (textmill.root / "taken-down.txt").write_text(f"doc:{'0' * 32}  # of a reader's own making\n")
    textmill("run")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**bare_environment(), **textmill.environment, "PATH": path}
    shell = Shell(tmp_path, textmill.root, environment)
    try:
        yield shell
    finally:
        for process in shell.serving:
            kill_group(process)
        for root in (textmill.root, tmp_path / "restored"):
            if root.exists():
                Textmill(root, textmill.environment)("server", "stop")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_command_does_what_it_should(shell: Shell) -> None:
    for page, commands in COMMANDS.items():
        shell.folder = shell.workspace
        if any(line.startswith("textmill init") for line in commands[:1]):
            shell.folder = shell.workspace.parent
        if page.startswith("infra"):  # typed in a checkout
            shell.folder = shell.workspace.parent
            (shell.folder / "infra").mkdir()
        for line in commands:
            if not line.startswith(tuple(NOT_RUN)):
                shell.type(line)


def test_the_exceptions_are_of_commands_that_are_there() -> None:
    typed = [line for commands in COMMANDS.values() for line in commands]
    assert len(typed) > 30
    for start in NOT_RUN:
        assert any(line.startswith(start) for line in typed), start
    assert set(CODES) <= set(typed)
    assert (ROOT / "tests/e2e/test_compose.py").exists()
