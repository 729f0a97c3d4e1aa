"""From a command's arguments to a checked config, its workspace, its inputs and its plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from flows.arguments import ConfigArguments
from flows.inputs import Inputs, find_inputs
from flows.road import Milestones, road
from pipeline_config.load import ConfigError, load
from pipeline_config.pipeline import PipelineConfig
from tasks.runtime.artifact import Artifact, InputFiles
from tasks.runtime.errors import RefusedInput
from tasks.runtime.lease import check_needs
from tasks.runtime.planning import PlannedNode, Planner, check_selection
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage, node_name
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace

P = ParamSpec("P")
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class Loaded:
    arguments: ConfigArguments
    config: PipelineConfig
    store: Store

    @cached_property
    def inputs(self) -> Inputs:
        return find_inputs(self.config, self.store)


@dataclass(frozen=True)
class Plan:
    nodes: list[PlannedNode]
    milestones: Milestones

    @property
    def names(self) -> list[str]:
        return [node.node for node in self.nodes]

    @property
    def reasons(self) -> dict[str, str]:
        """Of the nodes that will run in any case."""
        return {node.node: node.reason for node in self.nodes if node.action == "run"}


def load_checked(arguments: ConfigArguments) -> Loaded:
    """Read the config.

    Raises:
        RefusedInput: it is not valid.
    """
    try:
        config = load(arguments.file, arguments.overrides)
    except ConfigError as error:
        raise RefusedInput(str(error)) from None
    return Loaded(arguments, config, Store(Workspace.of_config(arguments.file)))


def stages_of(config: PipelineConfig) -> dict[str, Stage[Any, Any]]:
    """The stage of every node of the road, in its order. No input is looked at."""
    unknown = InputFiles(node="", fingerprint="")
    stages: dict[str, Stage[Any, Any]] = {}

    def note(stage: Stage[P, A], part: str, /, *_: P.args, **__: P.kwargs) -> A:
        stages[node_name(stage, part)] = stage
        return stage.result(node=node_name(stage, part), fingerprint="")

    road(config, Inputs(*(unknown for _ in fields(Inputs))), note)
    return stages


def check_devices(config: PipelineConfig) -> None:
    """Raise `RefusedInput` if a stage of the road needs more devices than there are. No input is looked at."""
    check_needs({stage.name: stage for stage in stages_of(config).values()}.values(), Settings.from_environment())


def plan_road(loaded: Loaded, force: Collection[str] = ()) -> Plan:
    """Walk the road without running anything.

    Raises:
        RefusedInput: an input is not there, `force` names no node, or a stage needs more devices than there are.
    """
    check_selection(force, list(stages_of(loaded.config)))
    planner = Planner(loaded.store, force)
    milestones = road(loaded.config, loaded.inputs, planner)
    loaded.store.digests.save()
    check_needs({node.stage.name: node.stage for node in planner.nodes}.values(), Settings.from_environment())
    return Plan(planner.nodes, milestones)
