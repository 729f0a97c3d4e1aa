"""What a REF on the command line names: a run, a node's artifact, or a registered version."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.runtime.errors import RefusedInput

if TYPE_CHECKING:
    from tasks.runtime.registry import Version
    from tasks.runtime.runs import RunRecord
    from tasks.runtime.store import Store

FORMS = "a run (last, last~1 or the beginning of its id), NODE, NODE/fingerprint, MODEL/version or MODEL@alias"
LISTED = 5


@dataclass(frozen=True)
class ArtifactReference:
    """An artifact; it may be damaged or gone."""

    node: str
    fingerprint: str


def resolve(store: Store, reference: str) -> RunRecord | ArtifactReference | Version:
    """What `reference` names.

    Raises:
        RefusedInput: it names nothing, or more than one thing; the message says what there is.
    """
    if (run := find_run(store, reference)) is not None:
        return run
    if (artifact := find_artifact(store, reference)) is not None:
        return artifact
    if is_model(store, reference):
        from tasks.runtime.registry import Registry

        return Registry(store.workspace).resolve(reference)
    raise RefusedInput(f"{reference!r} names nothing here. Expected {FORMS}.\n  {known(store)}")


def find_run(store: Store, reference: str) -> RunRecord | None:
    """The run that is meant; None if `reference` has not the form of one.

    Raises:
        RefusedInput: it has, but there is no such run, or several.
    """
    from tasks.runtime.runs import records

    back = re.fullmatch(r"last(?:~(\d+))?", reference)
    if not back and not re.fullmatch(r"\d{4}[\dTZ-]*", reference):
        return None
    runs = records(store.workspace, limit=None)
    if back:
        steps = int(back[1] or 0)
        if steps >= len(runs):
            there = "1 run is" if len(runs) == 1 else f"{len(runs) or 'no'} runs are"
            raise RefusedInput(f"{reference!r}: {there} on record here.")
        return runs[steps]
    found = [run for run in runs if run.id.startswith(reference)]
    exact = [run for run in found if run.id == reference]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise RefusedInput(f"{reference!r} is the beginning of {len(found)} runs: {_some([run.id for run in found])}.")
    raise RefusedInput(f"{reference!r}: no such run. On record: {_some([run.id for run in runs]) or 'none'}.")


def find_artifact(store: Store, reference: str) -> ArtifactReference | None:
    """The newest artifact of a node, or the one that `NODE/fingerprint` names by the beginning of its fingerprint.

    Raises:
        RefusedInput: the node is one, but has no such artifact, or several.
    """
    from tasks.runtime.runs import last_fingerprints

    node, slash, prefix = reference.partition("/")
    if not re.fullmatch(r"[a-z][\w.]*", node):
        return None
    newest = last_fingerprints(store.workspace)
    if not slash:
        return ArtifactReference(node, newest[node]) if node in newest else None
    there = sorted(folder.name for folder in (store.workspace.artifacts / node).glob("[!.]*"))
    if not there and node not in newest:
        return None
    found = [fingerprint for fingerprint in there if prefix and fingerprint.startswith(prefix)]
    if len(found) == 1:
        return ArtifactReference(node, found[0])
    which = f"is the beginning of {len(found)} artifacts" if found else "is no artifact"
    names = [f"{node}/{fingerprint[:10]}" for fingerprint in found or there]
    raise RefusedInput(f"{reference!r} {which}. There are: {_some(names) or 'none'}.")


def is_model(store: Store, reference: str) -> bool:
    """Whether a registered model has the name that `reference` begins with."""
    from tasks.runtime.registry import Registry

    name = re.split("[@/]", reference)[0]
    with suppress(RefusedInput):
        return bool(name) and bool(Registry.existing(store.workspace).versions(name))
    return False


def known(store: Store) -> str:
    """The nodes that have run here, for a refusal."""
    from tasks.runtime.runs import last_fingerprints

    return f"Nodes: {', '.join(last_fingerprints(store.workspace)) or 'none'}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
