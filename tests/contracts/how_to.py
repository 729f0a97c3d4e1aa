"""Following a how-to page of the documentation to the letter, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.contracts.markdown import ROOT, Block, blocks

FOLDERS = ("pipeline_config", "tasks", "flows", "docs", "tests")


def copy_repository(root: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def follow(page: Path, root: Path) -> list[Path]:
    """Apply the blocks of a page in a copy, run its commands but for `make`; return the files made or changed."""
    touched = [apply(block, root) for block in blocks(page, "python", "diff")]
    (commands,) = blocks(page, "sh")
    for command in commands.text.splitlines():
        if not command.startswith("make "):
            do(root, command.removeprefix("python "))
    return sorted(set(touched))


def apply(block: Block, root: Path) -> Path:
    """Do what a block says: its first line names the file, the rest is the file, or what changes in it."""
    header, _, body = block.text.partition("\n")
    file = root / header.removeprefix("# ")
    if block.language == "python":
        assert not file.exists(), f"{block}: {file.name} is there already"
        file.parent.mkdir(exist_ok=True)
        file.write_text(body, encoding="utf-8")
        return file
    lines = [line if line.strip() else " \n" for line in body.splitlines(keepends=True)]
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text(encoding="utf-8")
    assert {line[0] for line in lines} <= {" ", "+", "-"}, block
    assert text.count(before) == 1, f"{block}: {before!r} stands {text.count(before)} times in {file.name}"
    file.write_text(text.replace(before, after), encoding="utf-8")
    return file


def do(root: Path, arguments: str, code: int = 0) -> str:
    """`python ARGUMENTS` in a copy."""
    done = subprocess.run(
        f"{sys.executable} {arguments}",
        shell=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"python {arguments}\n{done.stdout}{done.stderr}"
    return done.stdout
