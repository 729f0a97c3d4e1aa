"""The nodes of a road as Prefect tasks: what the Prefect UI sees of a run, and what lets it retry one.

The artifact store decides what is reusable. Prefect's own cache is a view of it: its record lies in the artifact's
folder, so that it goes when the artifact goes, and reading it asks the store, so that a record of a damaged, deleted
or outdated artifact is no hit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar
from uuid import UUID

from prefect import Task
from prefect.context import TaskRunContext
from prefect.serializers import Serializer

from tasks.runtime.artifact import Artifact, InputFiles, artifacts_in
from tasks.runtime.execution import Session
from tasks.runtime.fingerprint import digest_of
from tasks.runtime.planning import selects
from tasks.runtime.stage import Stage, node_name

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)

_find: ContextVar[Callable[[], Artifact | None]] = ContextVar("find")
"""How the node that runs at present finds its reusable artifact."""


class ArtifactSerializer(Serializer):  # Prefect cannot register a base that is parametrised
    """Keeps a reference, never an artifact. Prefect takes an exception in `loads` for "there is no such result"."""

    type: Literal["textmill-artifact"] = "textmill-artifact"

    def dumps(self, obj: Artifact) -> bytes:
        return json.dumps({"node": obj.node, "fingerprint": obj.fingerprint, "digest": obj.digest}).encode()

    def loads(self, blob: bytes) -> Artifact:
        reference = json.loads(blob)
        found = _find.get()()
        if found is None or (found.fingerprint, found.digest) != (reference["fingerprint"], reference["digest"]):
            raise LookupError(f"{reference['node']}/{reference['fingerprint']} is not what this record refers to.")
        return found


@dataclass(frozen=True)
class PrefectCall:
    """A `Call` of the road that makes every node a task run of the flow run it is called in.

    `done` is told the artifact and the id of the task run of every node that ran or was reused.
    """

    session: Session
    done: Callable[[Artifact, UUID | None], None] = lambda *_: None

    def __call__(self, stage: Stage[P, A], part: str, /, *args: P.args, **kwargs: P.kwargs) -> A:
        node, arguments = node_name(stage, part), stage.bind(*args, **kwargs)
        task_runs: list[UUID] = []
        task = node_task(self.session, stage, node, arguments, task_runs)
        # Prefect draws the graph of a run from the artifacts that tasks hand to one another.
        handed = [artifact for _, artifact in artifacts_in(arguments) if not isinstance(artifact, InputFiles)]
        token = _find.set(lambda: self.session.store.find(stage, node, arguments).artifact)
        try:
            artifact = task(handed)
        finally:
            _find.reset(token)
        self.session.note_reuse(artifact)  # of a cached task run the body was not called
        self.done(artifact, task_runs[-1] if task_runs else None)
        return artifact


def node_task(
    session: Session, stage: Stage[Any, A], node: str, arguments: dict[str, Any], task_runs: list[UUID]
) -> Task[[list[Artifact]], A]:
    """`task_runs` receives the id of the task run: Prefect asks for the key whether or not the body is called."""

    def obtain(inputs: list[Artifact]) -> A:  # noqa: ARG001  # Prefect reads the edges of its graph off it
        return session.obtain(stage, node, arguments)

    # The digests of the inputs, since an equal recipe may have been made from other bytes.
    digests = digest_of([artifact.digest for _, artifact in artifacts_in(arguments)])
    key = f"{node}/{stage.fingerprint(arguments)}/.prefect-{digests[:16]}"

    def cache_key(context: TaskRunContext, _: dict[str, Any]) -> str:
        task_runs.append(context.task_run.id)
        return key

    return Task(
        obtain,
        name=stage.name,
        version=str(stage.version),
        task_run_name=node,  # no tags: Prefect asks its server about concurrency limits for every tagged run
        retries=0,
        cache_key_fn=cache_key,
        persist_result=True,
        result_storage=session.store.workspace.artifacts,
        result_serializer=ArtifactSerializer(),
        refresh_cache=selects(session.force, node),
    )
