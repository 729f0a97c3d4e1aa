"""Artifacts: immutable directories with a manifest, one frozen class a kind.

A directory holds the files of the artifact, `manifest.json` (what it is: recipe, inputs, metrics that are part of the
result, file digests) and `execution.json` (how it came to be: clock, host, timings, versions; outside the digest).
The *fingerprint* names the recipe, the *digest* the bytes. A kind's docstring lists its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

MANIFEST = "manifest.json"
EXECUTION = "execution.json"
PREFECT_RECORD = ".prefect-"
LINEAGE = "lineage"
"""Among the metrics: where state was fitted that the artifact goes on with (`tasks.curation.lineage`)."""

SAMPLE = "sample"
"""Among the settings: the share of the documents that is read on (`pipeline_config.ingest`)."""


class FileDigest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    size: int
    """Bytes."""


class InputRecord(BaseModel):
    """An input as the manifest of what was made from it remembers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    node: str
    kind: str
    fingerprint: str
    digest: str
    files: dict[str, str] = {}
    """Of input files only: name to sha256."""


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    node: str
    stage: str
    version: int
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, InputRecord]
    """By argument name; `name.key` for members of a group of artifacts."""
    metrics: dict[str, Any]
    files: dict[str, FileDigest]
    digest: str
    """SHA-256 over kind, metrics and files: the result itself, whatever it was made from."""
    seal: str
    """SHA-256 over all other fields, so that damage to the manifest is seen as well."""

    def content_digest(self) -> str:
        return _sha256_json(self.model_dump(include={"kind", "metrics", "files"}))

    def sealed(self) -> Manifest:
        filled = self.model_copy(update={"digest": self.content_digest()})
        return filled.model_copy(update={"seal": filled._own_seal()})

    def holds(self) -> bool:
        """Whether digest and seal fit what the manifest says."""
        return self.digest == self.content_digest() and self.seal == self._own_seal()

    def _own_seal(self) -> str:
        return _sha256_json(self.model_dump(exclude={"seal"}))


class Artifact(BaseModel):
    """A reference to an artifact. `digest` is empty while it is only planned."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    node: str
    fingerprint: str
    digest: str = ""
    path: Path = Path()

    @property
    def manifest(self) -> Manifest:
        return Manifest.model_validate_json((self.path / MANIFEST).read_bytes())

    @property
    def metrics(self) -> dict[str, Any]:
        return self.manifest.metrics

    @property
    def config(self) -> dict[str, Any]:
        return self.manifest.config


class InputFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    """Stable name: relative to the workspace, `package:NAME/path`, or relative to the folder that was given."""
    path: Path
    sha256: str
    size: int


class InputFiles(Artifact):
    """Files of the user, of a package or of a base model. `fingerprint` = `digest`: over source, names and bytes."""

    files: tuple[InputFile, ...] = ()
    sources: tuple[str, ...] = ()
    """For each file the `name` of the configured source it belongs to (empty where there are no sources)."""

    @property
    def folder(self) -> Path:
        """Of a model directory: the folder that its files lie in; some may lie in folders below."""
        return min((file.path.parent for file in self.files), key=lambda path: len(path.parts))


class RawCorpus(Artifact):
    """`documents/*.parquet` (`tasks.corpus.document`), `quarantine.parquet`."""


class LabelledData(Artifact):
    """`data/` (a `DatasetDict`: train, validation, test), `labels.json`, `conflicts.parquet`, `quarantine.parquet`."""


class CleanCorpus(Artifact):
    """`documents/*.parquet`, `cuts.parquet` (bytes cut and inserted per document and edit, and what was emptied),
    and with the edit `repeated_lines` `line_frequencies.parquet` (what it counted over the corpus)."""


class Measures(Artifact):
    """`measures/*.parquet` (one row a document, facts without thresholds), `signatures/*.npy`, `fitted/` (state; of an
    increment with `population.parquet`, the measures that quantiles are taken of)."""


class Corpus(Artifact):
    """`documents/*.parquet` (what was kept), `ledger.parquet` (per document: decision, reason, value, match),
    `rules.json` (the steps that judged, thresholds as fitted), `card.md` and `card.json` (`tasks.runtime.corpus_card`),
    and where passages are cut `cuts.parquet`."""


class Tokenizer(Artifact):
    """`tokenizer/` (loads with `AutoTokenizer`), `report.json`, `new_tokens.json` (added words, their old pieces)."""


class PackedCorpus(Artifact):
    """`ids.npy`, `offsets.npy` and what else is memory-mapped in training; see `tasks.packing`."""


class Checkpoint(Artifact):
    """`model/` (an encoder that loads with `AutoModel`, and its tokenizer)."""


class TaskModel(Artifact):
    """`model/` (encoder, tokenizer), `head.safetensors`, `textmill.json`, `predictions/`; see `tasks.modelling`."""


class CompressedModel(Artifact):
    """`model.onnx`, `tokenizer.json`, `labels.json`, `model.json` (what serving needs to know)."""


class Evaluation(Artifact):
    """`ladder.json`, `predictions/*.parquet`, `per_class.json` and what else the report draws."""


def artifacts_in(arguments: dict[str, Any]) -> Iterator[tuple[str, Artifact]]:
    """Yield the artifacts among a stage's arguments, by argument name (`name.key` inside tuples and mappings)."""
    for name, value in arguments.items():
        if isinstance(value, Artifact):
            yield name, value
        elif isinstance(value, dict):
            yield from artifacts_in({f"{name}.{key}": item for key, item in value.items()})
        elif isinstance(value, tuple):
            yield from artifacts_in({f"{name}.{index}": item for index, item in enumerate(value)})


def files_of(folder: Path) -> dict[str, Path]:
    """The files of an artifact's folder by relative POSIX name, sorted; records beside them are left out."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: found[name]
        for name in sorted(found)
        if name not in (MANIFEST, EXECUTION) and not name.startswith(PREFECT_RECORD)
    }


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
