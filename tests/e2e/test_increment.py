"""A file that is added between two runs, by the command line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.e2e.workspace import Textmill, clone, ran


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_file_that_comes_later_makes_the_next_version(plain: Textmill, tmp_path: Path) -> None:
    textmill = clone(plain, tmp_path / "workspace")
    try:
        textmill.run("--until", "select")
        page = textmill.root / "data" / "pages" / "later.txt"
        kept = next((textmill.root / "data" / "pages").iterdir()).read_text()
        page.write_text(f"{kept} and a little more of the policy", encoding="utf-8")
        assert textmill.plan()["measure"] == ("run", "input clean changed")
        assert "version 1, fitted to 292 of version 0" in textmill("run", "--until", "select").said
        assert ran(textmill.run("--until", "select")) == [], "what was made is found again"

        first, second = sorted(
            (textmill("show", "--json", f"measure/{folder.name}").json for folder in textmill.artifacts("measure")),
            key=lambda report: report["manifest"]["metrics"]["lineage"]["version"],
        )
        lineage = second["manifest"]["metrics"]["lineage"]
        assert (lineage["version"], lineage["parent"]) == (1, first["manifest"]["fingerprint"])
        assert first["manifest"]["fingerprint"] in textmill("show", "select").out

        answer = textmill("select", "what-if", "near.threshold=0.7", "--json").json
        assert answer["kept"]["before"]["documents"] > 0
        textmill("select", "audit", "--out", "audit.csv")
        rows = list(csv.DictReader(io.StringIO((textmill.root / "audit.csv").read_text())))
        assert rows

        refit = textmill.run("--until", "select", "measure.refit=1")
        assert ran(refit) == ["measure", "select"]
        page.unlink()
        assert ran(textmill.run("--until", "select")) == [], "without the file all is as it was"
    finally:
        textmill("server", "stop")
