"""A file that is added between two runs, by the command line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.e2e.workspace import Textmill, clone


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_file_that_comes_later_makes_the_next_version(plain: Textmill, tmp_path: Path) -> None:
    textmill = clone(plain, tmp_path / "workspace")
    try:
        textmill("server", "start", "--workspace", ".")
        textmill.run("--until", "select")
        page = textmill.root / "data" / "pages" / "later.txt"
        page.write_text("The bucket policy of the later page is open to the role of every account.", encoding="utf-8")
        assert textmill.plan()["measure"] == ("run", "input clean changed")
        assert "version 1, fitted to 292 of version 0" in textmill("run", "--until", "select").said
        assert textmill.plan()["select"] == ("reuse", ""), "what was made is found again"

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

        refit = textmill.plan("measure.refit=1")
        assert (refit["clean"][0], refit["measure"]) == ("reuse", ("run", "measure.refit 0 → 1"))
        page.unlink()
        assert textmill.plan()["select"] == ("reuse", ""), "without the file all is as it was"
        textmill.run("--until", "select")
        page.with_name("other.txt").write_text(f"{page.stem} and other words of the key", encoding="utf-8")
        assert "version 1, fitted to 292 of version 0" in textmill("run", "--until", "select").said, "from there on"
    finally:
        textmill("server", "stop")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_first_look_at_most_of_it_is_no_version_of_the_whole(plain: Textmill, tmp_path: Path) -> None:
    textmill = clone(plain, tmp_path / "workspace")
    try:
        textmill("server", "start", "--workspace", ".")
        textmill.run("--until", "select", "--sample", "80%")
        textmill.run("--until", "select")
        versions = {
            report["metrics"]["documents"]: report["metrics"]["lineage"]["version"]
            for folder in textmill.artifacts("measure")
            for report in [textmill("show", "--json", f"measure/{folder.name}").json["manifest"]]
        }
        assert len(versions) == 2
        assert min(versions) > 0.5 * max(versions), "it knows most of the whole"
        assert set(versions.values()) == {0}
    finally:
        textmill("server", "stop")
