"""Bring the registry's pages up to date: descriptions and tags. Only what changed is written.

A page is a view. The figures lie in the version's files and the history in the ledger; every run of the road writes
the pages of its versions again, those that an older Textmill registered too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tasks.promotion import pages
from tasks.promotion.card import lineage
from tasks.promotion.gates import GateResult, Verdict
from tasks.promotion.ledger import Aliases, Entry, unchecked
from tasks.runtime.artifact import Artifact, Checkpoint, Evaluation, Manifest
from tasks.runtime.registry import Registry, Version
from tasks.runtime.store import Execution, execution_in
from tasks.runtime.units import SCORES

CARDS = ("RawCorpus", "LabelledData", "CleanCorpus", "Corpus")


@dataclass(frozen=True)
class Pages:
    """The pages of one model and of the encoder beside it."""

    registry: Registry
    model: str

    def model_page(self, entries: Sequence[Entry], aliases: Aliases, earlier: str) -> None:
        """The model's page, after the ledger or an alias changed; `earlier`: its description."""
        head = pages.model_head(self.model, aliases, unchecked(entries, self.model, aliases.champion))
        text = pages.merged(earlier, head, {pages.LEDGER: pages.ledger_section(entries, self.model)})
        if text != earlier:
            self.registry.describe_model(self.model, text)

    def gates(self, version: Version, verdict: Verdict, overridden: str = "") -> None:
        """What the gates said of a version."""
        said = "overridden" if overridden else "passed" if verdict.passed else "refused"
        self._write(
            version,
            {pages.GATES: pages.gates_section(said, verdict.gates, overridden)},
            pages.gate_tags(said, verdict.gates),
        )

    def version(self, version: Version, artifact: Artifact, evaluation: Evaluation, entries: Sequence[Entry]) -> None:
        """The page of a task model: its rung of the ladder, and what it was made from."""
        version = self._fresh(version)
        metrics = evaluation.metrics
        sections = {
            pages.LADDER: pages.ladder_section(
                metrics, evaluation.config, version.variant, _execution(evaluation).measured
            ),
        }
        tags: dict[str, str] = {}
        if not pages.section(version.description, pages.GATES):
            sections[pages.GATES] = pages.NOT_ASKED
            if told := _judged(entries, version):
                sections[pages.GATES] = pages.gates_section(told[0], told[1], told[2])
                tags = pages.gate_tags(told[0], told[1])
        row = next(row for row in metrics["rungs"] if row["variant"] == version.variant)
        tags |= {f"test.{name}": f"{row[name]['value']:.4f}" for name in SCORES}
        if row.get("size_bytes"):
            tags["size_bytes"] = str(row["size_bytes"])
        self._write_made_from(version, artifact, sections, tags)

    def encoder(self, version: Version, checkpoint: Checkpoint) -> None:
        """The page of an adapted encoder."""
        self._write_made_from(self._fresh(version), checkpoint, {}, {})

    def _write_made_from(
        self, version: Version, artifact: Artifact, sections: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        used = sum(map(len, sections.values())) + len(pages.section(version.description, pages.GATES))
        nodes = [self._node(manifest, artifact, version) for manifest in lineage(artifact)[0]]
        files = f"#/experiments/{self._experiment}/models/{version.source.removeprefix('models:/')}/artifacts"
        own = f"{version.model}/{version.version}"
        room = pages.LIMIT - used - 500
        made_from = pages.made_from_section(nodes, own, self._experiment, files, room)
        self._write(version, {**sections, pages.MADE_FROM: made_from}, tags)

    def _write(self, version: Version, sections: Mapping[str, str], tags: Mapping[str, str]) -> None:
        known = {**version.tags, **tags}
        told = [f"macro-F1 {float(score):.3f}" for score in (known.get("test.macro_f1"),) if score]
        told += [f"gates {gates}" for gates in (known.get("gates"),) if gates]
        what = ", ".join([version.variant, *told])
        head = f"{what}. {pages.HEAD}; every figure was measured in the run that made it."
        text = pages.merged(version.description, head, sections)
        if text != version.description:
            self.registry.describe(version, text)
        self.registry.tag(version, tags)

    def _node(self, manifest: Manifest, artifact: Artifact, version: Version) -> pages.Node:
        folder = artifact.path.parent.parent / manifest.node / manifest.fingerprint
        made = Artifact(node=manifest.node, fingerprint=manifest.fingerprint, path=folder)
        return pages.Node(
            manifest.node,
            manifest.digest,
            self._registered.get(manifest.digest, ""),
            version.run_id if manifest.digest == version.digest else _execution(made).mlflow_run_id,
            manifest.kind in CARDS,
        )

    @cached_property
    def _registered(self) -> dict[str, str]:
        """Digest of an artifact to the newest version that is a copy of it."""
        return {version.digest: f"{version.model}/{version.version}" for version in self._versions}

    @cached_property
    def _versions(self) -> list[Version]:
        names = (self.model, f"{self.model}-encoder")
        return [version for name in names for version in self.registry.versions(name)]

    def _fresh(self, version: Version) -> Version:
        """As the registry has it now."""
        return next(one for one in self._versions if (one.model, one.version) == (version.model, version.version))

    @cached_property
    def _experiment(self) -> str:
        return self.registry.experiment(self.model)


def _judged(entries: Sequence[Entry], version: Version) -> tuple[str, list[GateResult], str] | None:
    """What the ledger says of the gates of a version: verdict, gates, and why they were overridden."""
    for entry in reversed(entries):
        made = entry.action == "promote" and entry.after.champion == version.version
        if entry.model == version.model and made and entry.gates:
            gates = [GateResult(str(g["gate"]), str(g["needs"]), str(g["has"]), bool(g["passed"])) for g in entry.gates]
            verdict = "passed" if entry.verdict == "passed" else "overridden"
            return verdict, gates, entry.reason
    return None


def _execution(artifact: Artifact) -> Execution:
    return execution_in(artifact.path) or Execution()


def road_page(model: str, sentence: str, evaluation: Evaluation, nodes: Mapping[str, str], experiment: str) -> str:
    """The note of a road's run: how it ended, the ladder, and the runs of its nodes by node."""
    metric = evaluation.config["metric"]
    rows = [
        (
            pages.escaped(row["title"]),
            f"{row[metric]['value']:.3f}",
            f"{row[metric]['low']:.3f} to {row[metric]['high']:.3f}",
            pages.gained(row, evaluation.metrics["rungs"]),
        )
        for row in evaluation.metrics["rungs"]
    ]
    links = [f"[{node}](#/experiments/{experiment}/runs/{run})" for node, run in nodes.items() if run]
    return "\n".join(
        [
            pages.escaped(sentence),
            "",
            f"Registered model: [{model}](#/models/{model})",
            "",
            *pages.table((*pages.ladder_head(evaluation.config), "gain"), rows),
            "",
            "Runs of the nodes, those that were reused among them: " + ", ".join(links),
        ]
    )
