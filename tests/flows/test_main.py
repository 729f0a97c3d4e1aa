"""What the program says of itself, and what `make test` leaves behind."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from flows.__main__ import STOPPED, make_parser

ROOT = Path(__file__).parents[2]


def test_help_names_every_exit_code() -> None:
    listed = make_parser().format_help().partition("exit codes:")[2].partition("examples:")[0]
    assert {int(code) for code in re.findall(r"\b\d+\b", listed)} == {0, 1, 2, 3, STOPPED}


def test_two_calls_of_make_test_share_no_folder() -> None:
    """Told by what make would run, with the number that the shell puts in."""
    command = ["make", "--dry-run", "--always-make", "test"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = re.search(r"^folder=(\S+);", recipe, re.MULTILINE)
    assert folder is not None
    assert "--basetemp=$folder" in recipe
    made = [
        subprocess.run(["sh", "-c", f"echo {folder[1]}"], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert made[0] != made[1]
    assert all(name.startswith("build/pytest/") for name in made)
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.returncode in (0, 128)  # 128: no clone, so nothing to be ignored by
