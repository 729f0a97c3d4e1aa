"""A stage: a function over a config and artifacts that yields one artifact. Neither Prefect nor torch is known here.

    @stage("select", version=1)
    def select(ctx: Context, config: SelectConfig, clean: CleanCorpus, measures: Measures) -> Corpus:
        from tasks.curation.selection import run        # what computes is imported when it computes
        ...
        return ctx.finish(Corpus, metrics={"documents": 12})

The arguments are the identity of the work; `ctx` is not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.runtime.artifact import (
    MANIFEST,
    Artifact,
    FileDigest,
    InputFiles,
    InputRecord,
    Manifest,
    artifacts_in,
    files_of,
    sha256_of,
)
from tasks.runtime.errors import StageFailed
from tasks.runtime.fingerprint import fingerprint, resolved
from tasks.runtime.settings import Settings

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)
A_co = TypeVar("A_co", bound=Artifact, covariant=True)

KIND = "artifact kind"
Emit = Callable[[dict[str, Any]], None]


class Job(BaseModel):
    """One execution of a stage, as it is handed to the child process."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stage: str
    """`module:attribute`."""
    node: str
    fingerprint: str
    arguments: dict[str, Any]
    """The stage's arguments by name, as JSON types."""
    out: Path
    """An empty folder that becomes the artifact."""
    work: Path
    """A folder that outlives a killed process: checkpoints lie here."""
    earlier: Path | None = None
    """An intact artifact of the same node, version, settings and files of the user, made from other artifacts."""


@dataclass(frozen=True)
class Context:
    """What a stage may use beside its arguments. None of it changes the result, but for fitted state of `earlier`."""

    job: Job
    recipe: Manifest
    """The manifest to be: everything but metrics, files and digests."""
    settings: Settings
    emit: Emit

    @property
    def out(self) -> Path:
        """Write the artifact's files here."""
        return self.job.out

    @property
    def work(self) -> Path:
        """Write checkpoints here; they survive a kill and are deleted when the artifact is published."""
        return self.job.work

    @property
    def earlier(self) -> Path | None:
        """An artifact to take from what is the same in it: made by this version from the same settings and files of the
        user, but from other artifacts. It shows in the result only where a stage goes on with the state that was fitted
        there, and then the manifest names it (`lineage`)."""
        return self.job.earlier

    def log(self, name: str, value: float, step: int | None = None) -> None:
        """Record a metric over steps (loss curves and the like; shown in MLflow, not part of the result)."""
        self.emit({"event": "metric", "name": name, "value": float(value), "step": step})

    def measured(self, name: str, value: float) -> None:
        """Record what a clock decided (latency, rate): it lies in `execution.json`, outside the result."""
        self.emit({"event": "measured", "name": name, "value": float(value)})

    def progress(self, done: float, total: float, unit: str = "", note: str = "") -> None:
        """Say how far the work is; `unit` names what is counted ("documents"). It is throttled: call freely."""
        self.emit({"event": "progress", "done": done, "total": total, "unit": unit, "note": note})

    def say(self, message: str) -> None:
        """One line for the log of the node."""
        self.emit({"event": "say", "message": message})

    def finish(self, kind: type[A], *, metrics: Mapping[str, Any]) -> A:
        """Close the artifact: digest what lies under `out`, write the manifest. No clock belongs in `metrics`."""
        files = {
            name: FileDigest(sha256=sha256_of(path), size=path.stat().st_size)
            for name, path in files_of(self.out).items()
        }
        update = {"kind": kind.__name__, "metrics": dict(metrics), "files": files}
        manifest = Manifest.model_validate(
            self.recipe.model_dump() | {**update, "files": {n: f.model_dump() for n, f in files.items()}}
        )
        manifest = manifest.sealed()
        (self.out / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return kind(node=self.job.node, fingerprint=self.job.fingerprint, digest=manifest.digest, path=self.out)


@dataclass(frozen=True)
class Stage(Generic[P, A_co]):
    """A stage as the road calls it. `gpus` is its need in devices (a quarter is the smallest share; 0 = none)."""

    name: str
    version: int
    gpus: float
    function: Callable[Concatenate[Context, P], A_co]
    incremental: bool = False
    """Whether it takes from an earlier artifact what is the same in it (`Context.earlier`)."""

    @property
    def address(self) -> str:
        return f"{self.function.__module__}:{self.function.__name__}"

    @cached_property
    def signature(self) -> inspect.Signature:
        signature = inspect.signature(self.function)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.function)

    @property
    def result(self) -> type[A_co]:
        kind: type[A_co] = self.hints["return"]
        return kind

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The arguments by name, defaults filled in."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def fingerprint(self, arguments: Mapping[str, Any]) -> str:
        return fingerprint(self.name, self.version, arguments)

    def recipe(self, node: str, arguments: dict[str, Any]) -> Manifest:
        """The manifest of the artifact to be, without what only the work can tell."""
        configs = {name: resolved(value) for name, value in configs_in(arguments).items()}
        return Manifest(
            kind=self.result.__name__,
            node=node,
            stage=self.name,
            version=self.version,
            fingerprint=self.fingerprint(arguments),
            config=next(iter(configs.values())) if len(configs) == 1 else configs,
            inputs={name: input_record(artifact) for name, artifact in artifacts_in(arguments)},
            metrics={},
            files={},
            digest="",
            seal="",
        )

    def job(self, node: str, arguments: dict[str, Any], out: Path, work: Path, earlier: Path | None = None) -> Job:
        return Job(
            stage=self.address,
            node=node,
            fingerprint=self.fingerprint(arguments),
            arguments={name: _plain(value) for name, value in arguments.items()},
            out=out,
            work=work,
            earlier=earlier,
        )

    def arguments(self, job: Job) -> dict[str, Any]:
        """The arguments of a job, as the types that the stage's function asks for."""
        return {name: self._argument(name, value) for name, value in job.arguments.items()}

    def _argument(self, name: str, value: Any) -> Any:
        filled = _filled(value)
        return TypeAdapter(self.hints[name]).validate_python(filled)

    def execute(self, job: Job, emit: Emit, settings: Settings) -> A_co:
        """Do the work of `job` in this process."""
        arguments = self.arguments(job)
        recipe = self.recipe(job.node, arguments)
        if recipe.fingerprint != job.fingerprint:
            raise StageFailed(f"{job.node}: the program was changed while this run was under way. Run again.")
        context = Context(job=job, recipe=recipe, settings=settings, emit=emit)
        return self.function(context, **arguments)  # type: ignore[call-arg]  # `P` in a mapping cannot be typed


def stage(
    name: str, *, version: int, gpus: float = 0.0, incremental: bool = False
) -> Callable[[Callable[Concatenate[Context, P], A]], Stage[P, A]]:
    """Make a stage of a function. Raise `version` whenever the same arguments give other bytes."""

    def wrap(function: Callable[Concatenate[Context, P], A]) -> Stage[P, A]:
        return Stage(name=name, version=version, gpus=gpus, function=function, incremental=incremental)

    return wrap


class Call(Protocol):
    """How the road calls a stage: `call(stage, part, config, *artifacts)`. Planning and running differ only in this."""

    def __call__(self, stage: Stage[P, A], part: str, /, *args: P.args, **kwargs: P.kwargs) -> A: ...


def node_name(stage: Stage[Any, Any], part: str) -> str:
    return f"{stage.name}.{part}" if part else stage.name


def input_record(artifact: Artifact) -> InputRecord:
    files = {file.name: file.sha256 for file in artifact.files} if isinstance(artifact, InputFiles) else {}
    return InputRecord(
        node=artifact.node,
        kind=type(artifact).__name__,
        fingerprint=artifact.fingerprint,
        digest=artifact.digest,
        files=files,
    )


def configs_in(arguments: Mapping[str, Any]) -> dict[str, BaseModel]:
    """The config sections among a stage's arguments, by argument name."""
    return {
        name: value
        for name, value in arguments.items()
        if isinstance(value, BaseModel) and not isinstance(value, Artifact)
    }


def _plain(value: Any) -> Any:
    """An argument as JSON types; an artifact is marked with its kind, since kinds look alike."""
    if isinstance(value, Artifact):
        return {KIND: type(value).__name__, **value.model_dump(mode="json")}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _filled(value: Any) -> Any:
    """Turn what `_plain` marked back into artifacts."""
    if isinstance(value, dict) and KIND in value:
        kinds = {kind.__name__: kind for kind in Artifact.__subclasses__()}
        return kinds[value[KIND]].model_validate({key: item for key, item in value.items() if key != KIND})
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return value
