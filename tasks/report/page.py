"""The report of a run: one page, made from artifacts alone, the same bytes for the same artifacts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.report.material import Absent, Material
from tasks.report.sections import (
    classes,
    cost,
    curves,
    effort,
    funnel,
    gates,
    ladder,
    lineage,
    measured,
    origin,
    pairs,
    settings,
    shape,
    tokenizer,
    verdict,
)
from tasks.report.wording import FILTERS
from tasks.runtime.runs import RunRecord
from tasks.runtime.visible import visible
from tasks.runtime.workspace import Workspace, write_atomically

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    key: str
    """Names its template and its place on the page."""
    title: str
    build: Callable[[Material], dict[str, Any]]


SECTIONS = (
    Section("ladder", "What each step was worth", ladder.build),
    Section("gates", "May it be used?", gates.build),
    Section("classes", "Where it is right, and where it errs", classes.build),
    Section("cost", "What serving it takes", cost.build),
    Section("funnel", "What became of the documents", funnel.build),
    Section("shape", "Languages and lengths", shape.build),
    Section("measured", "What was measured", measured.build),
    Section("pairs", "Near-duplicates side by side", pairs.build),
    Section("tokenizer", "How words are cut", tokenizer.build),
    Section("curves", "How the trainings went", curves.build),
    Section("lineage", "What was made from what", lineage.build),
    Section("effort", "Time and memory", effort.build),
    Section("settings", "Settings", settings.build),
    Section("origin", "Versions, licences and inputs", origin.build),
)


def write_report(workspace: Workspace, record: RunRecord, out: Path | None = None) -> Path:
    """Write the page (`runs/<id>/report.html` unless `out` says otherwise) and return where it lies."""
    target = out or workspace.report(record.id)
    write_atomically(target, render(workspace, record))
    return target


def render(workspace: Workspace, record: RunRecord) -> str:
    material, style = Material(workspace, record), _style()
    return (
        _environment()
        .get_template("page.html")
        .render(
            record=record,
            model=material.model or workspace.root.name,
            verdict=_verdict(material),
            style=Markup(style),  # our own file
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            sections=list(_drawn(material)),
        )
    )


def _verdict(material: Material) -> dict[str, Any]:
    try:
        return verdict.build(material)
    except Exception as error:  # as below
        sentence = f"What came of this run cannot be told from its artifacts ({_brief(error)})."
        return {"standing": "open", "stamp": "unknown", "sentence": sentence, "since": "", "tiles": []}


def _drawn(material: Material) -> Iterator[dict[str, Any]]:
    """Every section, or the reason why there is nothing to see."""
    for section in SECTIONS:
        shown: dict[str, Any] = {"key": section.key, "title": section.title, "body": None, "absent": ""}
        try:
            template = _environment().get_template(f"{section.key}.html")
            shown["body"] = Markup(template.render(data=section.build(material)))  # escaped by the template
        except Absent as absent:
            shown["absent"] = str(absent)
        except Exception as error:  # an older or damaged artifact: the other sections are still worth reading
            shown["absent"] = f"This section could not be drawn from the artifacts ({_brief(error)})."
        yield shown


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= FILTERS
    return environment
