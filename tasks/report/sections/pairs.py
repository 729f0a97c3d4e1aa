"""Near-duplicates side by side: was it right to call them the same?"""

from __future__ import annotations

from typing import Any

from tasks.dedup.bands import Bands
from tasks.report.charts.s_curve import s_curve
from tasks.report.difference import side_by_side
from tasks.report.material import Absent, Material
from tasks.report.samples import Ledger, fetch
from tasks.report.wording import marked

PAIRS, LARGE, GROUPS, EXCERPT = 5, 5, 5, 200
SIZES = ((2, 2), (3, 5), (6, 20), (21, None))
"""Documents of a group, from and to."""


def build(material: Material) -> dict[str, Any]:
    clean, corpus = material.node("clean"), material.node("select")
    near = corpus.manifest.config.get("near_duplicates")
    if not near:
        raise Absent("Near-duplicates were not looked for (select.near_duplicates is null).")
    step = next(step for step in corpus.metrics["steps"] if step["step"] == "near")
    if "recall" not in step:
        raise Absent("This selection was made before what the search finds was recorded.")
    ledger = Ledger.read(corpus.folder)
    rows = [row for row in ledger.spread("near", PAIRS) if row["matched_id"]]
    if not rows:
        raise Absent("There were no near-duplicates in this corpus.")
    groups = ledger.groups("near")
    wanted = {name for row in rows for name in (row["id"], row["matched_id"])} | {name for name, _ in groups[:GROUPS]}
    texts = fetch(clean.folder / "documents", wanted)
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
    return {
        "pairs": pairs,
        "sizes": [
            {"from": low, "to": high, "groups": sum(low <= size <= (high or size) for _, size in groups)}
            for low, high in SIZES
        ],
        "groups": [
            {
                "documents": size,
                "id": name.hex(),
                "source": texts[name]["source"],
                "text": marked(texts[name]["text"], [], limit=EXCERPT),
            }
            for name, size in groups[:GROUPS]
            if name in texts
        ],
        "threshold": near["threshold"],
        "documents": step["documents"],
        "search": _search(step, near),
        "large": step["large_buckets"][:LARGE],
        "larger": max(0, len(step["large_buckets"]) - LARGE),
    }


def _search(step: dict[str, Any], near: dict[str, Any]) -> dict[str, Any]:
    """What share of pairs the bands find, drawn."""
    threshold = near["threshold"]
    found = Bands(step["bands"], step["rows"]).recall(threshold)
    drawing = s_curve(
        "bands",
        step["recall"],
        threshold,
        axis="Jaccard of a pair",
        title="Share of pairs that the search finds",
        description=f"{found:.0%} at the threshold of {threshold:.2f}, more of those that are more alike",
    )
    return {"drawing": drawing, "bands": step["bands"], "rows": step["rows"], "found": found, "wanted": near["recall"]}
