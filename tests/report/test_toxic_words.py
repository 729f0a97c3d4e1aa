"""Words of lists are marked only by the lists that toxicity was measured by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_config.measure import WordListToxicity
from tasks.report.toxic_words import ToxicWords

SHIPPED = "package:tasks/curation/word_lists/naughty_words/de.json"


def words(root: Path, files: dict[str, str], exclude: tuple[str, ...] = ()) -> ToxicWords:
    toxicity: Any = WordListToxicity(kind="words", exclude=exclude).model_dump()
    manifest = SimpleNamespace(inputs={"toxicity": SimpleNamespace(files=files)}, config={"toxicity": toxicity})
    measures = SimpleNamespace(manifest=manifest)
    return ToxicWords(SimpleNamespace(nodes={"measure": measures}, workspace=SimpleNamespace(root=root)))  # type: ignore[arg-type]  # all it asks for


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "en.json").write_text(json.dumps(["Darn", "dang it"]))
    return {"lists/en.json": hashlib.sha256((tmp_path / "lists" / "en.json").read_bytes()).hexdigest()}


def test_words_and_phrases_are_found_in_the_language_of_the_document(tmp_path: Path, files: dict[str, str]) -> None:
    text = "That darned DARN key, dang\nit"
    found = words(tmp_path, files).spans(text, "en")
    assert [text[low:high] for low, high in found] == ["DARN", "dang\nit"]
    assert words(tmp_path, files).spans(text, "de") == []
    assert words(tmp_path, files, ("darn",)).spans(text, "en") == [found[1]]


def test_a_list_that_was_changed_since_marks_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "lists" / "en.json").write_text(json.dumps(["key"]))
    assert words(tmp_path, files).spans("a key", "en") == []
    (tmp_path / "lists" / "en.json").unlink()
    assert words(tmp_path, files).spans("a key", "en") == []


def test_the_lists_that_come_along_are_found() -> None:
    path = Path(__file__).parents[2] / SHIPPED.removeprefix("package:")
    first = json.loads(path.read_text(encoding="utf-8"))[0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert words(Path("nowhere"), {SHIPPED: digest}).spans(f"x {first} y", "de") == [(2, 2 + len(first))]


def test_without_toxicity_there_is_nothing_to_mark() -> None:
    nothing = ToxicWords(SimpleNamespace(nodes={}, workspace=SimpleNamespace(root=Path())))  # type: ignore[arg-type]  # all it asks for
    assert nothing.spans("anything", "en") == []
