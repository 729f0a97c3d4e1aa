"""What would run, and why: the road walked without doing anything.

`Planner` is a `Call` of the road that looks into the store and returns artifacts that may have no digest yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, ParamSpec, TypeVar, cast

from tasks.runtime.artifact import Artifact, InputFiles, InputRecord, Manifest, artifacts_in
from tasks.runtime.errors import RefusedInput
from tasks.runtime.fingerprint import resolved
from tasks.runtime.runs import NodeRecord, last_nodes
from tasks.runtime.stage import Stage, configs_in, node_name
from tasks.runtime.store import Execution, Store
from tasks.runtime.visible import visible

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class PlannedNode:
    node: str
    stage: Stage[Any, Any]
    action: Literal["run", "reuse"]
    reason: str
    """Why it runs, or what must hold for it to be reused; empty if it is reused as it stands."""
    estimate: Execution | None
    """The newest earlier execution of the node in this workspace."""
    artifact: Artifact

    @property
    def certain(self) -> bool:
        return self.action == "reuse" and not self.reason


@dataclass
class Planner:
    """A `Call`: `nodes` holds the plan in the order of the road when it has been walked."""

    store: Store
    force: Collection[str] = ()
    nodes: list[PlannedNode] = field(default_factory=list)
    _hinges: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _last: dict[str, NodeRecord] = field(init=False)

    def __post_init__(self) -> None:
        self._last = last_nodes(self.store.workspace)

    def __call__(self, stage: Stage[P, A], part: str, /, *args: P.args, **kwargs: P.kwargs) -> A:
        node = node_name(stage, part)
        arguments = stage.bind(*args, **kwargs)
        finding = self.store.find(stage, node, arguments)
        action: Literal["run", "reuse"] = "run"
        if selects(self.force, node):
            reason = "forced"
        elif finding.artifact is None:
            reason = self._why(stage, node, arguments, finding.reason)
        elif finding.if_equal:
            roots = dict.fromkeys(root for name in finding.if_equal for root in self._hinges.get(name, (name,)))
            self._hinges[node] = tuple(roots)
            action, reason = "reuse", f"if {' and '.join(roots)} {'comes' if len(roots) == 1 else 'come'} out equal"
        else:
            action, reason = "reuse", ""
        fingerprint = stage.fingerprint(arguments)
        digest = cast(Artifact, finding.artifact).digest if (action, reason) == ("reuse", "") else ""
        artifact = stage.result(
            node=node, fingerprint=fingerprint, digest=digest, path=self.store.workspace.artifact(node, fingerprint)
        )
        estimate = self.store.last_execution(node) or self._recorded(node)
        self.nodes.append(PlannedNode(node, stage, action, reason, estimate, artifact))
        return artifact

    def _recorded(self, node: str) -> Execution | None:
        """What the last run that had the node says of its cost: its artifacts may all be gone."""
        last = self._last.get(node)
        if last is None or not last.seconds:
            return None
        return Execution(seconds=last.seconds, memory_bytes=last.memory_bytes, disk_bytes=last.disk_bytes)

    def _why(self, stage: Stage[Any, Any], node: str, arguments: dict[str, Any], found: str) -> str:
        """The reason to run, told as the difference to the last run of this node."""
        if found != "missing":
            return found
        last = self._last.get(node)
        if last is None:
            return "never run"
        if last.fingerprint == stage.fingerprint(arguments):
            return "its artifact was deleted"
        manifest, _ = self.store.verify(self.store.workspace.artifact(node, last.fingerprint))
        if manifest is None:
            return "changed since the last run, whose artifact is gone"
        changes = list(differences(stage, manifest, arguments))
        more = f"; and {len(changes) - 3} more" if len(changes) > 3 else ""
        return visible("; ".join(changes[:3]) + more)


def differences(stage: Stage[Any, Any], old: Manifest, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between an artifact's recipe and the present one: version, settings, files, inputs."""
    if old.version != stage.version:
        yield f"version {old.version} → {stage.version}"
    configs = {name: resolved(config) for name, config in configs_in(arguments).items()}
    new_config = next(iter(configs.values())) if len(configs) == 1 else configs
    yield from _settings(stage.name, old.config, new_config)
    inputs, changed = dict(artifacts_in(dict(arguments))), []
    for name, artifact in inputs.items():
        recorded = old.inputs.get(name)
        if recorded is None:
            yield f"input {artifact.node} is new"
        elif recorded.fingerprint != artifact.fingerprint:
            if isinstance(artifact, InputFiles):
                yield from _files(recorded, artifact)
            else:
                changed.append(artifact.node)
    if len(changed) == 1:
        yield f"input {changed[0]} changed"
    elif changed:
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        yield f"inputs {', '.join(changed[:2])}{more} changed"
    for name in old.inputs.keys() - inputs.keys():
        yield f"input {old.inputs[name].node} is gone"


def _settings(where: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        if old.get("kind") != new.get("kind"):  # another member of a union: its other settings say nothing more
            yield f"{where}.kind {_short(old.get('kind'))} → {_short(new.get('kind'))}"
            return
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _settings(f"{where}.{key}", old.get(key, UNSET), new.get(key, UNSET))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _settings(f"{where}[{index}]", one, other)
    elif old != new:
        yield f"{where} {_short(old)} → {_short(new)}"


UNSET = "(unset)"


def _short(value: Any) -> str:
    text = f"{len(value)} entries" if isinstance(value, list | dict) else str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _files(recorded: InputRecord, files: InputFiles) -> Iterator[str]:
    now = {file.name: file.sha256 for file in files.files}
    words = {
        "changed": [name for name in now if name in recorded.files and recorded.files[name] != now[name]],
        "added": [name for name in now if name not in recorded.files],
        "removed": [name for name in recorded.files if name not in now],
    }
    for word, names in words.items():
        if names:
            yield f"file {names[0]} {word}" + (f" (and {len(names) - 1} more)" if len(names) > 1 else "")
    if not any(words.values()):
        yield f"{files.node} changed"


def selects(selection: Collection[str], node: str) -> bool:
    """Whether a name on the command line means `node`: its own name, or a stage's (all its nodes)."""
    return any(node == name or node.startswith(f"{name}.") for name in selection)


def check_selection(selection: Collection[str], nodes: Collection[str]) -> None:
    """Raise `RefusedInput` for a name that means no node of the road."""
    import difflib

    for name in selection:
        if not any(selects([name], node) for node in nodes):
            known = sorted({*nodes, *(node.split(".")[0] for node in nodes)})
            near = difflib.get_close_matches(name, known, 1)
            raise RefusedInput(
                f"{name!r} is no stage or node of this road."
                + (f" Did you mean {near[0]!r}?" if near else "")
                + f"\n  The nodes: {', '.join(nodes)}"
            )
