"""Where the model is right and where it errs: confusion matrix, each label's scores, the most confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.report.material import Absent, Material
from tasks.report.samples import first_rows, held_out_texts, values
from tasks.report.wording import marked, percent

MOST_LABELS = 30
MISTAKES = 8
SHADES = 8


def build(material: Material) -> dict[str, Any]:
    evaluation, labels = material.node("evaluate"), material.node("ingest.labels")
    rung = material.rung
    file = evaluation.folder / "predictions" / f"{rung['rung']}.parquet"
    if not file.is_file():
        raise Absent(f"The evaluation holds no predictions of {rung['title']}.")
    names: list[str] = labels.json("labels.json")
    table = first_rows(file, ["id", "label", "predicted", "probs"])
    true, said = values(table, "label"), values(table, "predicted")
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (true, said), 1)
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_LABELS]
    scores = evaluation.json("per_class.json")[rung["rung"]]
    rows = [
        {
            "number": number,
            "name": names[at],
            "cells": [_cell(counts[at, other], counts[at].sum(), at == other) for other in order],
            **scores[names[at]],
        }
        for number, at in enumerate(order.tolist(), 1)
    ]
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    worst = np.unravel_index(wrong.argmax(), wrong.shape)
    return {
        "title": rung["title"],
        "rows": rows,
        "left_out": len(names) - len(rows),
        "right": int(np.trace(counts)),
        "total": int(counts.sum()),
        "share": percent(np.trace(counts) / max(counts.sum(), 1)),
        "worst": (names[worst[0]], names[worst[1]], int(wrong[worst])) if wrong.any() else None,
        "weakest": min(rows, key=lambda row: row["f1"]),
        "mistakes": _mistakes(table, names, labels.folder),
    }


def _cell(number: int, total: int, diagonal: bool) -> dict[str, Any]:
    share = number / total if total else 0.0
    return {"count": int(number), "shade": round(share * SHADES) or int(number > 0), "diagonal": diagonal}


def _mistakes(table: pa.Table, names: list[str], labels: Path) -> list[dict[str, Any]]:
    """The wrong answers in which the model believed most, with their texts."""
    if "probs" not in table.column_names:
        return []
    wrong = [row for row in table.to_pylist() if row["label"] != row["predicted"]]
    wrong.sort(key=lambda row: (-row["probs"][row["predicted"]], row["id"]))
    texts = held_out_texts(labels, {row["id"] for row in wrong[:MISTAKES]})
    return [
        {
            "id": row["id"],
            "text": marked(texts.get(row["id"], ""), [], limit=420),
            "label": names[row["label"]],
            "predicted": names[row["predicted"]],
            "sure": row["probs"][row["predicted"]],
            "right": row["probs"][row["label"]],
        }
        for row in wrong[:MISTAKES]
    ]
