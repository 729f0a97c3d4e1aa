"""What a comparison knows of each of its two sides, gathered from artifacts and from the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import ValidationError

from flows.figures import main_figure
from flows.references import ArtifactReference, resolve
from pipeline_config.clean import CleanConfig, Edit, PiiConfig, SecretsConfig
from tasks.comparison.answers import Answers
from tasks.comparison.corpora import Place
from tasks.downstream.intervals import Metric
from tasks.promotion.promote import stored
from tasks.runtime.artifact import Artifact, Manifest
from tasks.runtime.errors import RefusedInput
from tasks.runtime.registry import Registry, Version
from tasks.runtime.runs import RunRecord
from tasks.runtime.store import Store

METRICS: tuple[Metric, ...] = ("macro_f1", "accuracy")
MODELS = ("TaskModel", "CompressedModel")


@dataclass(frozen=True)
class Judged:
    """A model's scores on a test set, and what it said of each document."""

    title: str
    scores: Mapping[str, Mapping[str, float]]
    """By metric: value, low, high."""
    test_digest: str
    bootstrap: Mapping[str, Any]
    """`resamples`, `confidence` and `seed` of the intervals."""
    answers: Answers


@dataclass(frozen=True)
class Side:
    kind: str
    """`run`, `artifact` or `version`."""
    sort: str
    """Only sides of one sort are compared: `run`, the kind of an artifact, or `model` for all that classify."""
    name: str
    about: str
    node: str = ""
    """Of an artifact or version: what made it."""
    config: Mapping[str, Any] = field(default_factory=dict)
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    """By node: of the run, or of the artifact and all that it was made from; without what is gone."""
    judged: Mapping[str, Judged] = field(default_factory=dict)
    """By rung of the ladder; by `` if there is but one model."""
    place: Place | None = None
    """Of its corpus."""
    labels: Path | None = None
    """Folder of the labelled data that it was judged on."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """By node: in a few words, what it made."""
    gone: tuple[str, ...] = ()
    """Nodes whose artifact is missing or damaged."""


def side(store: Store, reference: str) -> Side:
    """Gather what `reference` names.

    Raises:
        RefusedInput: it names nothing, or an artifact that is gone.
    """
    found = resolve(store, reference)
    match found:
        case RunRecord():
            return _Gathering(store).run(found)
        case ArtifactReference():
            return _Gathering(store).artifact(found, reference)
        case _:
            return _Gathering(store).version(found)


@dataclass
class _Gathering:
    store: Store

    def run(self, record: RunRecord) -> Side:
        fingerprints = {node: entry.fingerprint for node, entry in record.nodes.items()}
        manifests, gone = self._manifests(fingerprints)
        state = f"({record.status}, {_minute(record.started)})"
        return self._filled(
            Side(
                kind="run",
                sort="run",
                name=record.id,
                about=" ".join([record.config_file, *record.overrides, state]),
                config=record.config,
                manifests=manifests,
                judged=self._ladder(manifests["evaluate"]) if "evaluate" in manifests else {},
                gone=gone,
            )
        )

    def artifact(self, reference: ArtifactReference, name: str) -> Side:
        folder = self.store.workspace.artifact(reference.node, reference.fingerprint)
        manifest, damage = self.store.verify(folder)
        if manifest is None:
            raise RefusedInput(
                f"{name}: the artifact is {damage}. To make it again: textmill run --until {reference.node}"
            )
        manifests, gone = self._lineage(manifest)
        execution = self.store.execution(folder)
        model = manifest.kind in MODELS
        judged = self._ladder(manifest) if manifest.kind == "Evaluation" else {}
        return self._filled(
            Side(
                kind="artifact",
                sort="model" if model else manifest.kind,
                name=f"{reference.node}/{reference.fingerprint[:10]}",
                about=manifest.kind + (f", made {_minute(execution.started)}" if execution else ""),
                node=manifest.node,
                manifests=manifests,
                judged=self._of_model(manifest) if model else judged,
                gone=gone,
            )
        )

    def version(self, version: Version) -> Side:
        registry = Registry(self.store.workspace)
        manifest, _ = self.store.verify(self.store.workspace.artifact(version.node, version.fingerprint))
        manifests, gone = self._lineage(manifest) if manifest else ({}, (version.node,))
        measured = stored(registry, version)
        numbers = registry.aliases(version.model)
        aliases = [f"@{alias}" for alias, number in numbers.items() if number == version.version]
        judged = {}
        if measured is not None:
            answers = Answers.of([measured.predictions], _names(registry.folder(version)))
            judged[""] = Judged(version.variant, measured.scores, measured.test_digest, measured.bootstrap, answers)
        return self._filled(
            Side(
                kind="version",
                sort="Checkpoint" if version.variant == "encoder" else "model",
                name=f"{version.model}/{version.version}",
                about=", ".join([version.variant, *aliases]),
                node=version.node,
                manifests=manifests,
                judged=judged,
                gone=gone,
            )
        )

    def _filled(self, side: Side) -> Side:
        """With what every kind of side has: where its corpus and its labelled data lie."""
        folders = {
            node: self.store.workspace.artifact(node, manifest.fingerprint) for node, manifest in side.manifests.items()
        }
        edits = masking(side.manifests.get("clean"))
        place = Place(folders["select"], folders.get("clean"), edits) if "select" in folders else None
        kinds = {kind.__name__: kind for kind in Artifact.__subclasses__()}
        return replace(
            side,
            place=place,
            labels=folders.get("ingest.labels"),
            config=side.config or {node: manifest.config for node, manifest in side.manifests.items()},
            figures={
                node: _figure(kinds[manifest.kind](node=node, fingerprint=manifest.fingerprint, path=folders[node]))
                for node, manifest in side.manifests.items()
            },
        )

    def _manifests(self, fingerprints: Mapping[str, str]) -> tuple[dict[str, Manifest], tuple[str, ...]]:
        found, gone = {}, []
        for node, fingerprint in fingerprints.items():
            manifest, _ = self.store.verify(self.store.workspace.artifact(node, fingerprint))
            if manifest is None:
                gone.append(node)
            else:
                found[node] = manifest
        return found, tuple(gone)

    def _lineage(self, manifest: Manifest) -> tuple[dict[str, Manifest], tuple[str, ...]]:
        """An artifact and all that it was made from, the first inputs first."""
        found: dict[str, Manifest] = {}
        gone: list[str] = []
        for record in manifest.inputs.values():
            if record.files or record.node in found:
                continue
            before, _ = self.store.verify(self.store.workspace.artifact(record.node, record.fingerprint))
            if before is None:
                gone.append(record.node)
                continue
            earlier, missing = self._lineage(before)
            found |= earlier
            gone += missing
        return {**found, manifest.node: manifest}, tuple(dict.fromkeys(gone))

    def _ladder(self, evaluation: Manifest) -> dict[str, Judged]:
        """Every rung of an evaluation."""
        names = self._label_names(evaluation)
        return {row["rung"]: self._rung(evaluation, row, [row["rung"]], names) for row in evaluation.metrics["rungs"]}

    def _of_model(self, model: Manifest) -> dict[str, Judged]:
        """What the newest evaluation of a model says of it; nothing if there is none."""
        node, _, seed = model.node.partition(".s")
        found = []
        for folder in (self.store.workspace.artifacts / "evaluate").glob("[!.]*"):
            evaluation, _ = self.store.verify(folder)
            inputs = evaluation.inputs.values() if evaluation else ()
            if evaluation and any((one.node, one.digest) == (model.node, model.digest) for one in inputs):
                execution = self.store.execution(folder)
                found.append((execution.started if execution else "", evaluation.fingerprint, evaluation))
        for _, _, evaluation in sorted(found, key=lambda item: item[:2])[-1:]:
            for row in evaluation.metrics["rungs"]:
                if row["node"] == row["cost"] == node:
                    files = [f"{row['rung']}.s{seed}" if seed else row["rung"]]
                    return {"": self._rung(evaluation, row, files, self._label_names(evaluation))}
        return {}

    def _rung(self, evaluation: Manifest, row: Mapping[str, Any], files: list[str], names: tuple[str, ...]) -> Judged:
        folder = self.store.workspace.artifact(evaluation.node, evaluation.fingerprint) / "predictions"
        if row["seeds"] > 1 and files == [row["rung"]]:
            files = [*files, *sorted(path.stem for path in folder.glob(f"{row['rung']}.s*.parquet"))]
        tables = [pq.read_table(folder / f"{name}.parquet") for name in files]
        return Judged(
            title=row["title"],
            scores={metric: row[metric] for metric in METRICS},
            test_digest=evaluation.metrics["test_digest"],
            bootstrap={name: evaluation.config[name] for name in ("resamples", "confidence", "seed")},
            answers=Answers.of(tables, names),
        )

    def _label_names(self, evaluation: Manifest) -> tuple[str, ...]:
        """Of the classes; empty if the labelled data is gone."""
        record = evaluation.inputs["labels"]
        return _names(self.store.workspace.artifact(record.node, record.fingerprint))


def _figure(artifact: Artifact) -> str:
    """Empty for an artifact of an earlier version of its stage, which counted other things."""
    with suppress(KeyError, TypeError):
        return main_figure(artifact)
    return ""


def masking(clean: Manifest | None) -> tuple[Edit, ...]:
    """The edits that say what of a text is not shown; all there are where `clean` is gone, or of an earlier version."""
    with suppress(ValidationError):
        if clean is not None:
            return CleanConfig.model_validate(clean.config).edits
    return PiiConfig(kind="pii"), SecretsConfig(kind="secrets")


def _names(folder: Path) -> tuple[str, ...]:
    """The names of the classes, from labelled data or from a model; empty if neither lies there."""
    for name in ("labels.json", "textmill.json", "model.json"):
        if (folder / name).is_file():
            value = json.loads((folder / name).read_text(encoding="utf-8"))
            return tuple(value["labels"] if isinstance(value, dict) else value)
    return ()


def _minute(when: str) -> str:
    """A moment of ISO 8601 as a person writes it."""
    return when[:16].replace("T", " ")
