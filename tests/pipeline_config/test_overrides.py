"""`key=value` on the command line: entries of lists, written out or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_config.base import ConfigError
from pipeline_config.compression import OnnxInt8
from pipeline_config.load import load
from pipeline_config.selection import SelectConfig

CONFIG = """\
model: {name: tiny}
ingest:
  corpus: {sources: [{name: docs, path: docs.txt}, {name: notes, path: notes.txt}]}
  labels: {sources: [{name: labels, path: labels.csv}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "textmill.yaml"
    path.write_text(CONFIG)
    return path


def test_a_whole_list_is_replaced(file: Path) -> None:
    assert load(file, ["finetune.seeds=[42, 43]"]).finetune.seeds == (42, 43)


@pytest.mark.parametrize("entry", ["0", SelectConfig().rules[0].kind])
def test_an_entry_of_a_list_of_the_defaults(file: Path, entry: str) -> None:
    default = load(file).select.rules
    changed = load(file, [f"select.rules.{entry}.report_only=true"]).select.rules
    assert changed[0] == default[0].model_copy(update={"report_only": True})
    assert changed[1:] == default[1:]


def test_a_number_in_a_list_of_the_defaults(file: Path) -> None:
    default = load(file).finetune.probe_c
    assert load(file, ["finetune.probe_c.1=0.7"]).finetune.probe_c == (default[0], 0.7, *default[2:])


def test_two_overrides_of_one_list_add_up(file: Path) -> None:
    rules = load(file, ["select.rules.0.report_only=true", "select.rules.1.report_only=true"]).select.rules
    assert [rule.report_only for rule in rules[:2]] == [True, True]


def test_an_entry_of_a_list_in_the_file_by_name(file: Path) -> None:
    sources = load(file, ["ingest.corpus.sources.notes.path=more.txt"]).ingest.corpus.sources
    assert [source.path for source in sources] == [("docs.txt",), ("more.txt",)]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("finetune.seeds.1=43", "'1' is no place in the list of 1; .* give the whole list: finetune.seeds='"),
        (
            "ingest.corpus.sources.0.path=b\udcff.txt",
            r"path=b\\udcff.txt' \(command line\): the value is not valid UTF-8",
        ),
        ("ingest.corpus.sources.2.path=x", r"'2' is no place in the list of 2 \(docs, notes\)"),
        ("ingest.corpus.sources.nots.path=x", r"'nots' is no place in the list of 2 \(docs, notes\)"),
        ("select.ruls.0.minimum=4", "'select.ruls' is no setting .* Did you mean 'select.rules'"),
    ],
)
def test_a_refusal_says_what_there_is_and_how_to_go_on(file: Path, override: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(file, [override])


def test_an_entry_named_twice_is_called_by_its_position(file: Path) -> None:
    rules = "[{kind: drop_lines, containing: [a]}, {kind: drop_lines, containing: [b]}]"
    with pytest.raises(ConfigError, match="'drop_lines' stands 2 times in the list of 2"):
        load(file, [f"clean.edits={rules}", "clean.edits.drop_lines.containing=[c]"])
    edits = load(file, [f"clean.edits={rules}", "clean.edits.1.containing=[c]"]).clean.edits
    assert [edit.containing for edit in edits] == [("a",), ("c",)]  # type: ignore[union-attr]  # both drop lines


def test_a_setting_of_a_section_keeps_its_default_kind(file: Path) -> None:
    backend = load(file, ["compress.backend.per_channel=false"]).compress.backend
    assert backend == OnnxInt8(kind="onnx_int8", per_channel=False)


def test_a_bad_value_within_a_kind_is_named_as_it_is_written(file: Path) -> None:
    steps = ["pretrain.objective={kind: mlm}", "pretrain.budget={kind: steps, steps: 5}", "pretrain.budget.steps=abc"]
    with pytest.raises(ConfigError, match=r"pretrain\.budget\.steps = 'abc' \(command line\)"):
        load(file, steps)
