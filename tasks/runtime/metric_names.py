"""The names under which figures stand in MLflow. The part before the last slash is a section of charts on its pages.

| metric | where | what |
|---|---|---|
| `train/loss` | training nodes, by step | mean loss since the point before |
| `train/steps_per_second`, `train/tokens_per_second` | training nodes | speed |
| `validation/macro_f1` | `finetune.*`, `distill`, by step | score after each epoch |
| `validation/best_macro_f1`, `validation/best_accuracy` | the same | of the model that was kept |
| `heldout/loss` | `pretrain`, first and last step | loss on documents that were not trained on |
| `test/macro_f1/RUNG`, `test/accuracy/RUNG` | `evaluate`, the road | score of a rung of the ladder |
| `test/macro_f1_low/RUNG`, `test/macro_f1_high/RUNG`, … | `evaluate` | its interval |
| `test/gain/RUNG`, `test/gain_low/RUNG`, … | `evaluate` | gain over the rung that it is compared with |
| `test/macro_f1_difference/A-vs-B`, …`_low`, …`_high` | `evaluate` | paired difference on the same documents |
| `test/agreement/RUNG` | `evaluate`, the road | share of documents that get the label of its parent |
| `latency_ms/RUNG`, `size_bytes/RUNG` | `evaluate`, the road | cost of use |
| `documents_per_second/RUNG`, `speedup/RUNG` | `evaluate` | the same |
| `used/seconds`, `used/cpu_seconds`, `used/memory_megabytes`, `used/disk_megabytes` | every node | cost of making it |
| `seconds/NODE` | the road | what a node took, now or when it was made |
| `system/cpu_percent`, `system/memory_megabytes`, `system/processes` | every node, over time | its processes |

Any other figure of a manifest keeps its name, with a slash for its first dot: `account.bytes_in` is `account/bytes_in`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.runtime.units import SCORES

Point = tuple[str, float, int | None]
"""Name, value, step."""

TRAINING = ("pretrain", "finetune", "distill")
LIVE = {"score": "validation/macro_f1"}
KEPT = {"validation_macro_f1": "validation/best_macro_f1", "validation_accuracy": "validation/best_accuracy"}


def live_name(name: str) -> str:
    """The name of what a stage logs while it works, such as `finetune.loss`."""
    stage, dot, rest = name.partition(".")
    if dot and stage in TRAINING:
        return LIVE.get(rest, f"train/{rest}")
    return _sectioned(name)


def manifest_points(kind: str, metrics: Mapping[str, Any]) -> list[Point]:
    """The figures of a manifest."""
    if kind == "Evaluation":
        return [(name, value, None) for name, value in _evaluation(metrics)]
    rest = dict(metrics)
    points: list[Point] = []
    if isinstance(loss := rest.pop("heldout_loss", None), Mapping) and {"before", "after"} <= set(loss):
        points += [("heldout/loss", loss["before"], 0), ("heldout/loss", loss["after"], int(metrics.get("steps", 1)))]
    for drawn in ("validation_macro_f1_by_epoch", "histograms"):  # logged by step while it was trained; the report's
        rest.pop(drawn, None)
    return points + [(KEPT.get(name, _sectioned(name)), value, None) for name, value in numbers(rest)]


def headline(metrics: Mapping[str, Any], measured: Mapping[str, float]) -> dict[str, float]:
    """Of an evaluation, what roads are compared by.

    Args:
        measured: what was timed beside it, such as `latency_ms.int8`.
    """
    names = ("test/macro_f1/", "test/accuracy/", "test/agreement/", "size_bytes/", "latency_ms/")
    found = [*_evaluation(metrics), *((_sectioned(name), value) for name, value in measured.items())]
    return {name: value for name, value in found if name.startswith(names)}


def _evaluation(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    rest = {name: value for name, value in metrics.items() if name not in ("rungs", "paired", "agreement")}
    found = [(_sectioned(name), value) for name, value in numbers(rest)]
    for row in metrics.get("rungs", ()):
        for name in (*SCORES, "gain"):
            found += _bounds(f"test/{name}", row["rung"], row.get(name))
        if row.get("size_bytes") is not None:
            found.append((f"size_bytes/{row['rung']}", float(row["size_bytes"])))
    for pair, scores in metrics.get("paired", {}).items():
        for name in SCORES:
            found += _bounds(f"test/{name}_difference", pair, scores.get(name))
    for rung, share in metrics.get("agreement", {}).items():
        found += _bounds("test/agreement", rung, share)
    return found


def _bounds(name: str, of: str, bounds: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    if not bounds:
        return []
    keys = {"value": "", "low": "_low", "high": "_high"}
    return [(f"{name}{suffix}/{of}", float(bounds[key])) for key, suffix in keys.items() if key in bounds]


def _sectioned(name: str) -> str:
    return name.replace(".", "/", 1)


def numbers(value: Any, name: str = "") -> list[tuple[str, float]]:
    """The numbers in nested figures, by dotted name; rows of a list are named by their `rung` or position."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [(name, float(value))]
    if isinstance(value, Mapping):
        items: Iterable[tuple[str, Any]] = value.items()
    else:
        items = ((row.get("rung", str(i)) if isinstance(row, Mapping) else str(i), row) for i, row in enumerate(value))
    return [number for key, item in items for number in numbers(item, f"{name}.{key}" if name else str(key))]


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A config as (dotted name, text); a list is one value."""
    found = []
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return found


def accepted(name: str) -> str:
    """A name that MLflow accepts: letters, digits and `_-./ :`, at most 250."""
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in name)[:250]
