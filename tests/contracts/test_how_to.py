"""The how-to pages of docs/, each followed to the letter in a copy of the repository."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.how_to import copy_repository, do, follow
from tests.contracts.markdown import ROOT, blocks

PAGES = {page.stem: page for page in sorted((ROOT / "docs").glob("add-*.md"))}
NAMES = {
    "add-a-rule": "digits",
    "add-an-edit": "web_addresses",
    "add-an-objective": "replaced_tokens",
    "add-a-backend": "onnx_int4",
    "add-a-task": "retrieve",
}
"""What each page adds, as the config calls it."""
SECTIONS = {
    "add-a-rule": "select",
    "add-an-edit": "clean",
    "add-an-objective": "pretrain",
    "add-a-backend": "compress",
    "add-a-task": "retrieve",
}


@dataclass(frozen=True)
class Followed:
    page: Path
    root: Path
    touched: list[Path]
    """Files that were made or changed."""

    @property
    def name(self) -> str:
        return NAMES[self.page.stem]

    @property
    def tests(self) -> str:
        return " ".join(str(file) for file in self.touched if file.name.startswith("test_"))


@pytest.fixture(
    scope="module",
    params=[pytest.param(page, marks=() if page == "add-a-rule" else pytest.mark.long) for page in PAGES],
)
def followed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    root = copy_repository(tmp_path_factory.mktemp(request.param) / "repository")
    return Followed(PAGES[request.param], root, follow(PAGES[request.param], root))


def test_every_page_is_followed() -> None:
    assert set(PAGES) == set(NAMES) == set(SECTIONS)


def test_what_was_added_passes_its_test_and_the_contracts(followed: Followed) -> None:
    contracts = "tests/contracts/test_sections.py tests/contracts/test_lock.py"
    out = do(followed.root, f"-m pytest -p no:cacheprovider {followed.tests} {contracts}")
    assert " passed" in out


def test_it_is_as_tidy_as_the_rest(followed: Followed) -> None:
    files = " ".join(str(file) for file in followed.touched if file.suffix == ".py")
    do(followed.root, f"-m ruff check {files}")
    do(followed.root, f"-m ruff format --check {files}")


def test_it_can_be_configured_and_is_in_the_reference(followed: Followed) -> None:
    (example,) = blocks(followed.page, "yaml")
    yaml = example.text.replace("sources: [documents]", "min_words: 1" if followed.name == "digits" else "sources: []")
    (followed.root / "textmill.yaml").write_text("preset: cloud-security\n" + yaml)
    section = SECTIONS[followed.page.stem]
    shown = do(followed.root, f"-m flows validate --section {section}")
    assert followed.name in shown
    assert (
        f"`{followed.name}` |" in (followed.root / "docs/configuration.md").read_text() or followed.name == "retrieve"
    )


@pytest.mark.long
@pytest.mark.timeout(300)  # mypy reads the whole house, twice and without its cache
def test_the_type_checker_names_what_was_forgotten(tmp_path: Path) -> None:
    """All pages but for their `case`: mypy names each of them, and nothing else; with it, nothing."""
    root = copy_repository(tmp_path / "repository")
    for page in PAGES.values():
        follow(page, root)
    config = "--config-file pyproject.toml"
    do(root, f"-m mypy {config}")
    for name, file in {
        "DigitsRule": "tasks/curation/judge.py",
        "WebAddressesConfig": "tasks/curation/editing.py",
        "OnnxInt4": "tasks/compression/compressing.py",
        "ReplacedTokens": "tasks/pretraining/stage.py",
    }.items():
        text = (root / file).read_text()
        without = re.sub(rf"( +)case {name}\(\).*\n(?:\1 +.*\n|\n)+", "", text)
        assert without != text
        (root / file).write_text(without)
    said = do(root, f"-m mypy {config}", code=1)
    for name in ("DigitsRule", "WebAddressesConfig", "OnnxInt4", "ReplacedTokens"):
        assert re.search(rf'Argument 1 to "assert_never" has incompatible type "{name}"', said), said
    assert said.count("error:") == 4


def test_a_rule_without_its_case_is_an_error(tmp_path: Path) -> None:
    """What the type checker says of a forgotten `case`, the rule's own test says too."""
    root = copy_repository(tmp_path / "repository")
    follow(PAGES["add-a-rule"], root)
    judge = root / "tasks/curation/judge.py"
    case = "        case DigitsRule():\n            return digits.judge(measured, rule)\n"
    assert case in judge.read_text()
    judge.write_text(judge.read_text().replace(case, ""))
    shutil.rmtree(root / "tasks/curation/__pycache__", ignore_errors=True)
    with pytest.raises(AssertionError, match="Expected code to be unreachable"):
        do(root, "-m pytest -p no:cacheprovider tests/curation/test_digits.py")
