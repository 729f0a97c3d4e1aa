"""Lists of documents in a file of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_config.load import ConfigError, load, written

ONE, TWO = "doc:" + "1" * 32, "doc:" + "2f" * 16
FILE = """\
preset: cloud-security
select:
  drop: lists/taken-down.txt
"""


def configured(folder: Path, listed: str) -> Path:
    (folder / "lists").mkdir()
    (folder / "lists/taken-down.txt").write_text(listed, encoding="utf-8")
    file = folder / "textmill.yaml"
    file.write_text(FILE)
    return file


def test_a_file_stands_for_the_ids_in_it(tmp_path: Path) -> None:
    file = configured(tmp_path, f"# asked for on Monday\n{ONE}\n\n  {TWO}  # by its author\n")
    (tmp_path / "lists/kept.txt").write_text(ONE)
    config = load(file, ["select.keep=lists/kept.txt", "select.rules.lorem_ipsum.report_only=true"])
    assert (config.select.drop, config.select.keep) == ((ONE, TWO), (ONE,))
    assert written(file)["select.drop"] == "textmill.yaml, line 3"
    assert load(file, [f"select.drop=[{TWO}]"]).select.drop == (TWO,)


@pytest.mark.parametrize("wrong", ["7f3a9c", "doc:" + "1" * 31, "doc:" + "G" * 32, f"{ONE} {TWO}"])
def test_what_is_no_document_is_refused_with_its_line(wrong: str, tmp_path: Path) -> None:
    file = configured(tmp_path, f"{ONE}\n{wrong}\n")
    with pytest.raises(ConfigError, match=r"select\.drop: .*taken-down\.txt, line 2: .* is no document"):
        load(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = configured(tmp_path, "")
    with pytest.raises(ConfigError, match=r"select\.keep: .*none\.txt cannot be read"):
        load(file, ["select.keep=none.txt"])
    with pytest.raises(ConfigError, match=r"select\.keep\.0"):
        load(file, ["select.keep=[doc:7f]"])
