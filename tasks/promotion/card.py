"""The model card of a registered version, written from manifests and figures alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline_config.promotion import PromotionConfig
from tasks.promotion.figures import Measured
from tasks.promotion.gates import Verdict, table
from tasks.runtime.artifact import MANIFEST, Artifact, InputRecord, Manifest
from tasks.runtime.units import SCORES
from tasks.runtime.visible import visible

GATES, AFTER_GATES = "## Gates at registration", "## Data and lineage"


def lineage(artifact: Artifact) -> tuple[list[Manifest], list[InputRecord]]:
    """All that an artifact was made from: the manifests of the nodes, nearest first, and the input files."""
    artifacts = artifact.path.parent.parent
    nodes: dict[str, Manifest] = {}
    files: dict[str, InputRecord] = {}
    waiting: list[Path] = [artifact.path]
    while waiting:
        folder = waiting.pop(0)
        if not (folder / MANIFEST).is_file():
            continue
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        if manifest.fingerprint in nodes:
            continue
        nodes[manifest.fingerprint] = manifest
        for record in manifest.inputs.values():
            if record.kind == "InputFiles":
                files[record.fingerprint] = record
            else:
                waiting.append(artifacts / record.node / record.fingerprint)
    return list(nodes.values()), list(files.values())


def model_card(
    model: str,
    artifact: Artifact,
    config: PromotionConfig,
    measured: Measured | None,
    verdict: Verdict | None,
    earlier: str = "",
) -> str:
    """Markdown: use, how to load, figures with intervals, gates, data, and the way back to the input files.

    Args:
        earlier: the version's card so far. Without a verdict, what it says of the gates stands.
    """
    variant = measured.variant if measured else artifact.node
    sections = [
        [f"# {model}, {variant}", "", "Made by Textmill. Every figure was measured in the run that made it."],
        ["## Intended use", "", config.intended_use or "Not stated (`promotion.intended_use`)."],
        ["## How to load", "", *_loading(artifact)],
        ["## Figures", "", *_figures(measured)],
        [GATES, "", *_gates(verdict, earlier)],
        [AFTER_GATES, "", *_lineage(artifact)],
        ["## Licences", "", config.data_licence or "Not stated (`promotion.data_licence`)."],
    ]
    return visible("\n".join("\n".join(section) + "\n" for section in sections))


def _loading(artifact: Artifact) -> Sequence[str]:
    record = next(artifact.path / name for name in ("textmill.json", "model.json") if (artifact.path / name).is_file())
    about = json.loads(record.read_text(encoding="utf-8"))
    labels = (
        f"{len(about['labels'])} labels: {', '.join(about['labels'])}. At most {about['max_seq_length']} tokens a text."
    )
    lines = [
        labels,
        "",
        '`mlflow.pyfunc.load_model("models:/NAME/VERSION").predict(data)`: column `text` in, `label` and',
    ]
    lines += ["`score` (probability of the label) out. It needs no Textmill."]
    pooling = about.get("pooling")
    if pooling == "cls":
        lines += ["With transformers: `AutoModelForSequenceClassification.from_pretrained(folder of the version)`."]
    elif pooling:
        lines += [
            f"With transformers: `AutoModel.from_pretrained(folder of the version)`, {pooling} pooling over the",
            "tokens, then the linear head in `head.safetensors` (`weight`, `bias`).",
        ]
    return lines


def _figures(measured: Measured | None) -> Sequence[str]:
    if measured is None:
        return ["This variant was not evaluated."]
    confidence = f"{100 * measured.bootstrap['confidence']:g} % interval over the groups of the test set"
    lines = [f"| score | value | {confidence} |", "|---|---|---|"]
    for metric, bounds in measured.scores.items():
        lines.append(f"| {_title(metric)} | {bounds['value']:.3f} | {bounds['low']:.3f} to {bounds['high']:.3f} |")
    for metric, found in measured.differences.items():
        for name, b in found.items():
            against = measured.parent if name == "parent" else name
            lines.append(
                f"| {_title(metric)} against {against} | {b['value']:+.3f} | {b['low']:+.3f} to {b['high']:+.3f} |"
            )
    if measured.agreement is not None:
        lines.append(f"| Same label as {measured.parent} | {100 * measured.agreement:.1f} % | |")
    return [*lines, "", f"Test set `{measured.test_digest}`, {measured.predictions.num_rows} documents."]


def _title(metric: str) -> str:
    name = SCORES[metric]
    return name[0].upper() + name[1:]


def _gates(verdict: Verdict | None, earlier: str) -> Sequence[str]:
    if verdict:
        return ["```", table(verdict), "```"]
    told = earlier.partition(f"\n{GATES}\n")[2].partition(f"\n{AFTER_GATES}\n")[0].strip()
    return [told or "Not a candidate then: no gate was asked."]


def _lineage(artifact: Artifact) -> Sequence[str]:
    manifests, files = lineage(artifact)
    lines = ["| node | version | digest |", "|---|---|---|"]
    lines += [f"| {one.node} | {one.version} | `{one.digest[:16]}` |" for one in manifests]
    lines += ["", "Input files (sha256):", ""]
    for record in files:
        names = sorted(record.files.items())
        lines += [f"- {name} `{digest[:16]}`" for name, digest in names[:20]]
        lines += [f"- … and {len(names) - 20} more of {record.node}"] if len(names) > 20 else []
    return lines
