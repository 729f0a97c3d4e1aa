"""docs/add-a-rule.md, followed to the letter in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.markdown import ROOT, Block, blocks

PAGE = ROOT / "docs" / "add-a-rule.md"
FOLDERS = ("pipeline_config", "tasks", "flows", "docs", "tests")


def apply(block: Block, root: Path) -> Path:
    """Do what a block says: its first line names the file, the rest is the file, or what changes in it."""
    header, _, body = block.text.partition("\n")
    file = root / header.removeprefix("# ")
    if block.language == "python":
        assert not file.exists(), f"{block}: {file.name} is there already"
        file.write_text(body, encoding="utf-8")
        return file
    lines = body.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] == " ")
    after = "".join(line[1:] for line in lines)
    text = file.read_text(encoding="utf-8")
    assert {line[0] for line in lines} == {" ", "+"}, block
    assert text.count(before) == 1, f"{block}: {before!r} stands {text.count(before)} times in {file.name}"
    file.write_text(text.replace(before, after), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the page's blocks have been applied and its commands run."""
    root = tmp_path_factory.mktemp("repository")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for block in blocks(PAGE, "python", "diff"):
        apply(block, root)
    (commands,) = blocks(PAGE, "sh")
    for command in commands.text.splitlines():
        if not command.startswith("make "):
            do(root, command.removeprefix("python "))
    return root


def do(root: Path, arguments: str) -> str:
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
    assert done.returncode == 0, f"python {arguments}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_new_rule_passes_its_test_and_the_contracts(copy: Path) -> None:
    files = "tests/curation/test_digits.py tests/contracts/test_sections.py tests/contracts/test_lock.py"
    out = do(copy, f"-m pytest -p no:cacheprovider -k 'igits or member or select' {files}")
    assert " passed" in out


def test_the_new_rule_can_be_configured_and_is_in_the_reference(copy: Path) -> None:
    (example,) = blocks(PAGE, "yaml")
    (copy / "textmill.yaml").write_text("preset: cloud-security\n" + example.text)
    assert "kind: digits" in do(copy, "-m flows validate --section select")
    assert "| `digits` |" in (copy / "docs" / "configuration.md").read_text()


def test_a_rule_without_its_case_is_an_error(copy: Path, tmp_path: Path) -> None:
    """What the type checker says of a forgotten `case`, the rule's own test says too."""
    judge = (copy / "tasks/curation/judge.py").read_text()
    case = "        case DigitsRule():\n            return digits.judge(measured, rule)\n"
    assert case in judge
    shutil.copytree(copy, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "copy/tasks/curation/judge.py").write_text(judge.replace(case, ""))
    with pytest.raises(AssertionError, match="Expected code to be unreachable"):
        do(tmp_path / "copy", "-m pytest -p no:cacheprovider tests/curation/test_digits.py")
