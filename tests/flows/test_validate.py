"""What `textmill validate` advises."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.__main__ import main


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        ([], "bands=14 finds 92.4% of the pairs at Jaccard 0.8; bands=auto (15 × 7) finds 97.1%."),
        (["measure.signature.permutations=160", "select.near_duplicates.bands=20"], ""),
        (["select.near_duplicates.bands=auto"], ""),
        (["select.near_duplicates=null"], ""),
    ],
)
def test_bands_that_miss_pairs_are_pointed_out(
    overrides: list[str], advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "textmill.yaml"
    config.write_text("preset: cloud-security\n")
    assert main(["validate", str(config), *overrides]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("model:")
    assert advice in said.err
    assert bool(said.err) == bool(advice)


MASKED = ["select.near_duplicates=null", "clean.edits=[{kind: html}, {kind: pii}, {kind: secrets}]"]


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ([], "ingest.labels.redact=[{kind: pii}, {kind: secrets}]"),
        (["ingest.labels.redact=[{kind: pii}]"], "ingest.labels.redact=[{kind: secrets}]"),
        (["ingest.labels.redact=[{kind: pii}, {kind: secrets}]"], ""),
    ],
)
def test_labels_that_are_not_masked_as_the_corpus_is_are_pointed_out(
    more: list[str], advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "textmill.yaml"
    config.write_text("preset: cloud-security\n")
    assert main(["validate", str(config), *MASKED, *more]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "labelled texts" in line]
    assert advice in "".join(said)
    assert bool(said) == bool(advice)


def test_columns_that_go_along_as_they_are_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where texts are masked; of the preset's sources all but botocore have such columns."""
    config = tmp_path / "textmill.yaml"
    config.write_text("preset: cloud-security\n")

    def advised(*overrides: str) -> list[str]:
        assert main(["validate", str(config), "select.near_duplicates=null", *overrides]) == 0
        return [line for line in capsys.readouterr().err.splitlines() if "only texts" in line]

    told = "only texts are masked; columns that ingest.{} takes along as id or metadata stay as they are: {}. "
    corpus = "titles (Provider, CheckID); checks (Provider, CheckID); compliance (Id)"
    (line,) = advised("clean.edits=[{kind: pii}]")
    assert line == f"advice: pii: {told.format('corpus', corpus)}Leave out those that name people."
    _, line = advised("clean.edits=[{kind: pii}]", "ingest.labels.redact=[{kind: secrets}]")
    labels = "findings (Provider, CheckID)"
    assert line == f"advice: secrets: {told.format('labels', labels)}Leave out those that name people."
    assert advised("clean.edits=[{kind: html}]") == []
