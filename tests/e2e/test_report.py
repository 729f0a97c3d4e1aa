"""The report of real runs: written at the end of each, whole or not, and drawn again by the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Road
from tests.e2e.workspace import Textmill

ABSENT = re.compile(r'<section id="(\w+)"(?:(?!</section>).)*?class="absent">(.*?)</p>', re.DOTALL)


def absent(file: Path) -> dict[str, str]:
    """The sections that show nothing, and why."""
    return {key: re.sub("<.*?>", "", reason) for key, reason in ABSENT.findall(file.read_text(encoding="utf-8"))}


def test_a_run_leaves_its_report_and_the_command_draws_the_same(road: Road) -> None:
    file = road.root / "runs" / road.report["run"] / "report.html"
    html = file.read_text(encoding="utf-8")
    assert absent(file) == {"pairs": "There were no near-duplicates in this corpus."}
    assert "tiny version 3 (student int8) passed all" in html
    assert "and is now in use." in html
    assert html.count('class="mean"') >= 5  # curves of every training
    assert "data/events.jsonl" in html
    assert "textmill.yaml, line" in html
    assert str(road.root) not in html
    done = road.textmill("report", "--out", "again.html", cwd=road.root.parent, code=2)
    assert "nothing has run here yet" in done.err
    out = road.root.parent / "again.html"
    done = road.textmill("report", "--workspace", str(road.root), "--out", str(out))
    assert done.out == f"{out}\n"
    assert out.read_text(encoding="utf-8") == html


@pytest.mark.long
def test_part_of_a_road_has_a_report_of_what_there_is(copy: Textmill) -> None:
    run = copy.run("--until", "select", "select.rules.0.minimum=5")["run"]
    file = copy.root / "runs" / run / "report.html"
    reasons = absent(file)
    assert reasons["ladder"] == "This run did not come to evaluate."
    assert reasons["tokenizer"] == "This run did not come to tokenizer."
    assert not {"funnel", "shape", "lineage", "effort", "settings", "origin"} & reasons.keys()
    html = file.read_text(encoding="utf-8")
    assert "This run ended, as it was asked to, after select" in html
    assert "command line" in html


def test_a_run_that_failed_says_so_in_its_report(copy: Textmill) -> None:
    copy("run", "select.rules.0.minimum=50000", "select.accept_losses=[word_count]", code=1)
    runs = sorted((copy.root / "runs").iterdir())
    html = (runs[-1] / "report.html").read_text(encoding="utf-8")
    assert "This run failed after measure: select kept none of" in html


def test_the_command_refuses_what_is_no_run_and_no_folder(copy: Textmill) -> None:
    assert "'2001': no such run. On record: 2" in copy("report", "2001", code=2).err
    assert "there is no folder nowhere" in copy("report", "--out", "nowhere/x.html", code=2).err
    (newest,) = (copy.root / "runs").iterdir()
    (newest / "run.json").write_text("{")
    assert "run.json is damaged" in copy("report", code=2).err
