"""Near-duplicates side by side: was it right to call them the same?"""

from __future__ import annotations

from typing import Any

from tasks.report.difference import side_by_side
from tasks.report.material import Absent, Material
from tasks.report.samples import Ledger, fetch

PAIRS = 5


def build(material: Material) -> dict[str, Any]:
    clean, corpus = material.node("clean"), material.node("select")
    near = corpus.manifest.config.get("near_duplicates")
    if not near:
        raise Absent("Near-duplicates were not looked for (select.near_duplicates is null).")
    rows = [row for row in Ledger.read(corpus.folder).spread("near", PAIRS) if row["matched_id"]]
    if not rows:
        raise Absent("There were no near-duplicates in this corpus.")
    texts = fetch(clean.folder / "documents", {name for row in rows for name in (row["id"], row["matched_id"])})
    pairs = []
    for row in rows:
        if row["id"] in texts and row["matched_id"] in texts:
            kept, dropped = texts[row["matched_id"]], texts[row["id"]]
            left, right = side_by_side(dropped["text"], kept["text"])
            pairs.append(
                {
                    "jaccard": row["jaccard"],
                    "dropped": left,
                    "kept": right,
                    "dropped_id": row["id"].hex(),
                    "kept_id": row["matched_id"].hex(),
                    "sources": (dropped["source"], kept["source"]),
                }
            )
    documents = sum(step["documents"] for step in corpus.metrics["steps"] if step["step"] == "near")
    return {"pairs": pairs, "threshold": near["threshold"], "documents": documents}
