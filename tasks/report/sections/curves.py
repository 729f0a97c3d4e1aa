"""How the trainings went: loss over steps, and the score on texts that were held out."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.curve import curve
from tasks.report.material import Absent, Material, Node
from tasks.report.wording import plural
from tasks.runtime.units import SCORES

MOST = 12
TRAINED = ("Checkpoint", "TaskModel")


def build(material: Material) -> dict[str, Any]:
    trained = [node for node in material.nodes.values() if node.manifest.kind in TRAINED and node.metrics.get("steps")]
    if not trained:
        raise Absent("This run did not come to a training.")
    panels = [_panel(node) for node in trained[:MOST]]
    return {"panels": [panel for panel in panels if panel], "left_out": max(0, len(trained) - MOST)}


def _panel(node: Node) -> dict[str, Any]:
    metrics = node.metrics
    held_out, history = metrics.get("heldout_loss"), metrics.get("validation_macro_f1_by_epoch", [])
    losses = next((points for name, points in node.execution.curves.items() if name.endswith(".loss")), [])
    plots = []
    if losses:
        plots.append(_loss(node, losses, held_out["after"] if held_out else None))
    if history:
        plots.append(_scores(node, history))
    return {
        "name": node.name,
        "plots": plots,
        "said": _said(node, held_out, history),
        "resumed": bool(losses) and losses[0][0] > max(2, metrics["steps"] // 50),
        "kept": bool(losses),
    }


def _loss(node: Node, losses: list[tuple[int, float]], held_out: float | None) -> dict[str, Any]:
    (first, high), (last, low) = losses[0], losses[-1]
    drawing = curve(
        f"loss-{node.name}",
        losses,
        axis="steps",
        title=f"{node.name}: loss on the training texts",
        description=f"{high:.3g} at step {first}, {low:.3g} at step {last}",
        level=held_out,
    )
    also = "" if held_out is None else "; dashed: on documents that were held out, at the end"
    return {"drawing": drawing, "caption": f"Loss on the training texts{also}"}


def _scores(node: Node, history: list[float]) -> dict[str, Any]:
    every = node.metrics["steps"] / len(history)
    points = [(round(every * at), score) for at, score in enumerate(history, 1)]
    drawing = curve(
        f"score-{node.name}",
        points,
        axis="steps",
        title=f"{node.name}: {SCORES['macro_f1']} on the validation texts",
        description=", ".join(f"{score:.3f} after epoch {at}" for at, score in enumerate(history, 1)),
        best=points[node.metrics["best_epoch"] - 1][0],
    )
    return {"drawing": drawing, "caption": f"{SCORES['macro_f1']} on the validation texts, after each epoch"}


def _said(node: Node, held_out: dict[str, float] | None, history: list[float]) -> str:
    metrics = node.metrics
    steps = plural(metrics["steps"], "step")
    if held_out:
        change = "fell" if held_out["after"] < held_out["before"] else "rose"
        return (
            f"{steps}; the loss on documents that were held out {change} from {held_out['before']:.3f} to "
            f"{held_out['after']:.3f}."
        )
    if history:
        best = metrics["best_epoch"]
        kept = f"the model after epoch {best} is kept, with {history[best - 1]:.3f}"
        return f"{steps} in {plural(len(history), 'epoch')}; {kept}."
    return f"{steps}."
