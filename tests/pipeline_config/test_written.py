"""Where the settings of a run were written."""

from __future__ import annotations

from pathlib import Path

from pipeline_config.load import leaves, written

FILE = """\
preset: cloud-security
finetune:
  seeds: [1, 2]
select:
  rules:
    - {kind: lorem_ipsum}
"""


def test_every_setting_that_is_no_default_has_a_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(FILE)
    found = written(file, ["distill.learning_rate=1e-4", "select.rules.0.report_only=true"])
    assert found["finetune.seeds"] == "mine.yaml, line 3"
    assert found["select.rules.0.kind"] == "mine.yaml, line 6"
    assert found["select.rules.0.report_only"] == "command line"
    assert found["distill.learning_rate"] == "command line"
    assert found["model.name"].startswith("cloud-security.yaml, line ")
    assert "finetune.weight_decay" not in found
    assert not [name for name in found if name.startswith("select.rules.1")]  # the preset's list is replaced


def test_a_list_of_sections_has_leaves_and_a_list_of_values_is_one() -> None:
    value = {"a": [1, 2], "b": [{"c": 3}, {}], "d": {}, "e": None}
    assert dict(leaves(value)) == {("a",): [1, 2], ("b", 0, "c"): 3, ("b", 1): {}, ("d",): {}, ("e",): None}
