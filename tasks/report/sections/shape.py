"""Which languages the documents are in, how long they are, and what of it was kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.report.charts.bar import bar
from tasks.report.charts.histogram import Column, histogram
from tasks.report.charts.svg import DRAWN
from tasks.report.material import Material
from tasks.report.samples import first_rows, values
from tasks.report.wording import count, percent, size

TABLE = "measures/measures.parquet"
LANGUAGES = 10


def build(material: Material) -> dict[str, Any]:
    measures = material.node("measure")
    table = first_rows(measures.folder / TABLE, ["words"])
    words = values(table, "words")
    corpus = material.nodes.get("select")
    kept = np.ones(len(words), bool)
    if corpus:
        kept = values(first_rows(corpus.folder / "ledger.parquet", ["decision"]), "decision") == "kept"
        kept = kept[: len(words)]
        words = words[: len(kept)]
    columns = _columns(words, kept)
    middle = [int(value) for value in np.percentile(words[kept], [5, 50, 95])] if kept.any() else [0, 0, 0]
    description = "; ".join(f"from {c.label} words: {c.kept} kept, {c.dropped} dropped" for c in columns)
    plots = {
        kind: histogram(
            f"lengths-{kind}",
            columns,
            width=width,
            height=260,
            axis="words in a document (each column twice as long as the last)",
            title="How many documents have how many words",
            description=description,
        )
        for kind, width in DRAWN.items()
    }
    return {
        "plots": plots,
        "columns": columns,
        "middle": middle,
        "languages": _languages(measures.metrics),
        "sampled": len(words) < measures.metrics["documents"] and count(len(words)),
        "longest": int(words.max()) if len(words) else 0,
    }


def _columns(words: Any, kept: Any) -> list[Column]:
    powers = np.floor(np.log2(np.maximum(words, 1))).astype(int)
    most = int(powers.max()) if len(powers) else 0
    both = [np.bincount(powers[chosen], minlength=most + 1) for chosen in (kept, ~kept)]
    return [Column(count(2**at), int(both[0][at]), int(both[1][at])) for at in range(most + 1)]


def _languages(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The most frequent languages, and all others as one."""
    total = max(metrics["documents"], 1)
    known = list(metrics["languages"].items())
    rows = [(name, figures["documents"], figures) for name, figures in known[:LANGUAGES]]
    rest = [figures for _, figures in known[LANGUAGES:]]
    if rest:
        documents = sum(one["documents"] for one in rest)
        sure = sum(one["confidence"] * one["documents"] for one in rest) / documents
        more = {"bytes": sum(one["bytes"] for one in rest), "mixed": sum(one["mixed"] for one in rest)}
        rows.append(("all others", documents, {"confidence": sure, **more}))
    return [
        {
            "name": name,
            "documents": number,
            "share": percent(number / total, 2),
            "size": size(figures["bytes"]),
            "confidence": f"{figures['confidence']:.2f}",
            "mixed": figures["mixed"],
            "bar": bar([(number / total, "keep")]),
        }
        for name, number, figures in rows
    ]
