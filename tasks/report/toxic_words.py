"""Where a text holds words of the lists that toxicity was measured by."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path

from tasks.corpus.word_list import pattern
from tasks.report.material import Material
from tasks.report.passages import READ, Span


class ToxicWords:
    """Lists that are still what they were when they were used; those of a classifier are none."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._compiled: dict[str, re.Pattern[str] | None] = {}

    def spans(self, text: str, language: str) -> list[Span]:
        if language not in self._compiled:
            self._compiled[language] = self._compile(language)
        compiled = self._compiled[language]
        return [found.span() for found in compiled.finditer(text[:READ])] if compiled else []

    def _compile(self, language: str) -> re.Pattern[str] | None:
        measures = self._material.nodes.get("measure")
        used = measures.manifest.inputs.get("toxicity") if measures else None
        if measures is None or used is None:
            return None
        exclude = measures.manifest.config["toxicity"].get("exclude", ())
        for name, digest in used.files.items():
            path = _path(name, self._material.workspace.root)
            if Path(name).stem != language or path.suffix != ".json" or not path.is_file():
                continue
            written = path.read_bytes()
            if hashlib.sha256(written).hexdigest() == digest:
                found = pattern(json.loads(written), language, exclude)
                return re.compile(found, re.IGNORECASE) if found else None
        return None


def _path(name: str, root: Path) -> Path:
    """Of a file by the name that a manifest gives it."""
    if not name.startswith("package:"):
        return root / name
    package, _, rest = name.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return next((path for folder in folders if (path := Path(folder) / rest).is_file()), root / rest)
