"""The page as a whole: complete, harmless whatever users write, the same each time, and drawn from what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tasks.report.page import SECTIONS, render, write_report
from tasks.runtime.runs import RunRecord
from tasks.runtime.workspace import Workspace
from tests.report.conftest import Made
from tests.report.nasty import RUN, SCRIPT

ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "hr", "img", "input", "link"}
ALLOWED = """
    html head meta title style body a header p h1 h2 h3 span bdi time code strong small div dl dt dd nav ol ul li main
    section article dfn figure figcaption table caption thead tbody tfoot tr th td abbr details summary blockquote mark
    del ins footer svg desc line rect circle path polygon polyline text defs pattern
"""


@dataclass
class Seen(HTMLParser):
    """The elements of a page with their attributes, its headings, its text."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def parse(html: str) -> Seen:
    seen = Seen()
    seen.feed(html)
    seen.close()
    assert seen.open == []
    return seen


@pytest.fixture(scope="module")
def html(page_file: Path) -> str:
    return page_file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(html: str) -> Seen:
    return parse(html)


def sections(html: str) -> dict[str, str]:
    return dict(re.findall(r'<section id="(\w+)".*?>(.*?)</section>', html, re.DOTALL))


def missing(html: str) -> dict[str, str]:
    """The sections that say why they show nothing."""
    found = {key: re.search(r'class="absent">(.*?)</p>', body) for key, body in sections(html).items()}
    return {key: re.sub("<.*?>", "", match.group(1)) for key, match in found.items() if match}


# --- whole, harmless, alone ---


def test_every_section_is_drawn(html: str) -> None:
    assert list(sections(html)) == [section.key for section in SECTIONS]
    assert missing(html) == {}


def test_what_users_write_makes_no_element_and_no_attribute(seen: Seen) -> None:
    assert {tag for tag, _ in seen.elements} <= set(ALLOWED.split())
    assert len(seen.named("style")) == len(seen.named("main")) == 1
    names = {name for _, attributes in seen.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "style", "srcset", "formaction")}
    assert SCRIPT in seen.text
    assert "onerror='window.pwned=2'" in seen.text
    assert "7919*7907" in seen.text
    assert "62615533" not in seen.text


def test_no_control_character_and_no_change_of_direction(html: str) -> None:
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]", html
    )
    assert "[U+202E]drawkcab" in html
    assert "[U+001B][31m" in html


def test_it_asks_nobody_for_anything(html: str, seen: Seen) -> None:
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    links = [attributes["href"] or "" for attributes in seen.named("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert "url(" not in re.findall("<style>(.*?)</style>", html, re.DOTALL)[0]
    assert not re.search(r"(href|src)=\"(https?:|//|data:|file:)", html)
    (policy,) = [one["content"] for one in seen.named("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_headings_tables_and_drawings_can_be_read_aloud(html: str, seen: Seen) -> None:
    levels = [int(tag[1]) for tag, _ in seen.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tables = re.findall("<table.*?</table>", html, re.DOTALL)
    assert tables
    for table in tables:
        assert re.match(r"<table[^>]*>\s*<caption>", table)
        assert not re.search(r"<th(?! scope=)[ >]", table)
    for drawing in re.findall("<svg.*?</svg>", html, re.DOTALL):
        if 'aria-hidden="true"' in drawing:
            assert "<text" not in drawing
            continue
        assert 'role="img"' in drawing
        assert re.search("<title[^>]*>[^<]+</title>", drawing)
        assert re.search("<desc[^>]*>[^<]+</desc>", drawing)


def test_it_is_small_and_every_list_is_bounded(html: str, seen: Seen) -> None:
    assert len(html.encode()) < 500_000
    assert max(map(len, re.split("<[^>]*>", html.partition("</style>")[2]))) < 1500
    assert len(re.findall(r"<th scope=\"row\">.{0,40}data/", html)) == 15
    assert "And 2 985 more files" in seen.text.replace("\u202f", " ")


def test_dates_are_iso(html: str) -> None:
    assert '<time datetime="2026-01-02T03:04:05+00:00">2026-01-02 03:04:05 UTC</time>' in html


# --- the same each time, wherever it lies ---


def test_the_same_artifacts_give_the_same_bytes(made: Made, html: str, tmp_path: Path) -> None:
    workspace, record = made
    assert render(workspace, record) == html
    shutil.copytree(workspace.root, tmp_path / "elsewhere")
    assert render(Workspace(tmp_path / "elsewhere"), record) == html


def test_a_fresh_process_draws_it_soon_and_without_the_heavy_libraries(made: Made, html: str, tmp_path: Path) -> None:
    program = (
        "import resource, sys\nfrom flows.__main__ import main\nmain(sys.argv[1:])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_utime + used.ru_stime)\n"
        "print(*{'mlflow', 'prefect', 'torch', 'datasets', 'transformers', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    out = tmp_path / "page.html"
    arguments = ["report", RUN, "--workspace", str(made[0].root), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    path, seconds, loaded = done.stdout.split("\n")[:3]
    assert path == str(out)
    assert loaded == ""
    assert float(seconds) < 3
    assert out.read_text(encoding="utf-8") == html


# --- from what there is ---


def upto(record: RunRecord, node: str, **changes: object) -> RunRecord:
    names = list(record.nodes)
    nodes = {name: record.nodes[name] for name in names[: names.index(node) + 1]} if node else {}
    return record.model_copy(update={"nodes": nodes, "promotion": None, **changes})


@pytest.mark.parametrize("node", ["", "ingest.corpus", "clean", "measure", "select", "pretrain", "distill"])
def test_a_partial_run_shows_what_there_is(made: Made, node: str) -> None:
    workspace, record = made
    html = render(workspace, upto(record, node, status="failed", error=f"it broke at {SCRIPT}\nline two"))
    parse(html)
    absent = missing(html)
    assert {"ladder", "gates", "classes", "cost"} <= absent.keys()
    assert not [reason for reason in absent.values() if "could not be drawn" in reason]
    assert ("funnel" in absent) == (node == "")
    assert ("curves" in absent) == (node not in ("pretrain", "distill"))
    assert "This run failed" in html
    assert "it broke at &lt;script&gt;" in html


def test_what_is_gone_or_damaged_is_said_and_the_rest_is_drawn(made: Made, tmp_path: Path) -> None:
    workspace, record = made
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root)
    shutil.rmtree(copy.artifact("evaluate", record.nodes["evaluate"].fingerprint))
    (copy.artifact("select", record.nodes["select"].fingerprint) / "ledger.parquet").write_bytes(b"PAR1 no more")
    (copy.artifact("tokenizer", record.nodes["tokenizer"].fingerprint) / "manifest.json").write_text("{")
    html = render(copy, record)
    absent = missing(html)
    assert absent.keys() == {"ladder", "classes", "cost", "funnel", "shape", "pairs", "tokenizer"}
    assert absent["ladder"] == "The artifact of evaluate is no longer there, or was replaced since."
    assert "could not be drawn" in absent["pairs"]
    assert str(tmp_path) not in html
    assert "No longer there, or replaced since: tokenizer, evaluate" in html


def test_an_artifact_that_was_replaced_since_is_not_told_as_the_runs_own(made: Made) -> None:
    workspace, record = made
    other = record.nodes["distill"].model_copy(update={"digest": "0" * 64})
    html = render(workspace, record.model_copy(update={"nodes": {**record.nodes, "distill": other}}))
    assert "No longer there, or replaced since: distill" in html


def test_a_record_of_an_older_version_is_enough(made: Made) -> None:
    workspace, record = made
    old = json.loads(record.model_dump_json(exclude={"config", "written", "promotion", "judged", "error"}))
    html = render(workspace, RunRecord.model_validate(old))
    assert missing(html).keys() == {"gates"}
    assert "does not hold its settings" in html


def test_a_verdict_that_cannot_be_told_leaves_the_rest(made: Made) -> None:
    workspace, record = made
    html = render(workspace, record.model_copy(update={"promotion": {"model": "of another shape"}}))
    assert "cannot be told from its artifacts (KeyError" in html
    assert missing(html).keys() == {"gates"}


def test_a_ledger_that_cannot_be_read_stops_nothing(made: Made, tmp_path: Path) -> None:
    workspace, record = made
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root)
    copy.ledger.write_bytes(b'\xff\xfe\n{"model": 1}\n[1]\nnull\n' + workspace.ledger.read_bytes())
    assert missing(render(copy, record)) == {}


def test_it_is_written_beside_the_record_or_where_one_says(made: Made, tmp_path: Path) -> None:
    workspace, record = made
    assert write_report(workspace, record) == workspace.runs / RUN / "report.html"
    assert (
        write_report(workspace, record, tmp_path / "x.html").read_bytes()
        == (workspace.runs / RUN / "report.html").read_bytes()
    )
