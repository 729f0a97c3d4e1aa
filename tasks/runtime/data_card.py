"""The card of raw or cleaned text, of labelled data or of an encoder, written from its manifest alone.

A selected corpus has a card of its own: `tasks.runtime.corpus_card`.
"""

from __future__ import annotations

import json

from tasks.runtime.artifact import Manifest
from tasks.runtime.metric_names import numbers
from tasks.runtime.visible import visible


def data_card(manifest: Manifest) -> str:
    """A page of Markdown about texts or labelled data: what it was made from, how, and its figures."""
    lines = [
        f"# {manifest.node}: {manifest.kind}",
        "",
        f"Digest `{manifest.digest}`, stage version {manifest.version}.",
    ]
    lines += ["", "## Made from"]
    for name, record in manifest.inputs.items():
        lines.append(f"- {name}: {record.node} `{record.digest}`")
        lines += [f"  - {file} `{digest[:16]}`" for file, digest in list(record.files.items())[:50]]
    if sources := [source for source in manifest.config.get("sources", []) if isinstance(source, dict)]:
        lines += [
            "",
            "## Sources",
            *(f"- {one['name']}: {one.get('licence') or 'licence not stated'}" for one in sources),
        ]
    lines += ["", "## Figures", *(f"- {name}: {value:g}" for name, value in numbers(manifest.metrics))]
    return visible("\n".join([*lines, "", "## Config", "```json", json.dumps(manifest.config, indent=1), "```", ""]))
