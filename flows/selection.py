"""The newest selection of a workspace, and what it was made from; its settings, changed by name."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline_config.load import ConfigError, explain, read_lists
from pipeline_config.rule_presets import Step
from pipeline_config.rules import DomainRules, PresetRules
from pipeline_config.selection import SelectConfig
from tasks.comparison.settings import Difference, differences
from tasks.curation.domain import read_rules
from tasks.curation.stage import select
from tasks.runtime.artifact import CleanCorpus, Corpus, LabelledData, Measures, RawCorpus
from tasks.runtime.errors import RefusedInput
from tasks.runtime.runs import last_fingerprints
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace

STEP_SETTINGS = {"exact": "exact_duplicates", "near": "near_duplicates"}
"""What sets the steps whose name is not that of their setting."""


@dataclass(frozen=True)
class Selected:
    config: SelectConfig
    rules: tuple[Step, ...]
    """What judged, thresholds as fitted."""
    clean: CleanCorpus
    measures: Measures
    labels: LabelledData
    corpus: Corpus
    benchmarks: RawCorpus | None
    made: str
    """ISO 8601; empty if that is not known."""


def newest(file: Path) -> Selected:
    """The selection of the newest run that came so far, in the workspace of a config file.

    Raises:
        RefusedInput: there is none, something that it was made from is gone, or another version of select made it.
    """
    store = Store(Workspace.of_config(file))
    fingerprints = last_fingerprints(store.workspace)
    if "select" not in fingerprints:
        raise RefusedInput(f"{store.workspace.root}: nothing is selected yet. To do it: textmill run --until select")
    folder = store.workspace.artifact("select", fingerprints["select"])
    manifest, damage = store.verify(folder)
    if manifest is None:
        raise RefusedInput(f"select: its artifact is {damage}. To make it again: textmill run --until select")
    if manifest.version != select.version:
        raise RefusedInput(
            f"select/{manifest.fingerprint[:10]} was made by version {manifest.version} of select, this is version "
            f"{select.version}. To make it again: textmill run --until select"
        )
    found: dict[str, Any] = {"benchmarks": None}
    kinds = {"clean": CleanCorpus, "measures": Measures, "labels": LabelledData, "benchmarks": RawCorpus}
    for name, record in manifest.inputs.items():
        path = store.workspace.artifact(record.node, record.fingerprint)
        before, damage = store.verify(path)
        if before is None:
            raise RefusedInput(
                f"{record.node}: its artifact is {damage}. To make it again: textmill run --until select"
            )
        found[name] = kinds[name](node=record.node, fingerprint=record.fingerprint, digest=record.digest, path=path)
    store.digests.save()
    execution = store.execution(folder)
    return Selected(
        config=SelectConfig.model_validate(manifest.config),
        rules=read_rules(folder),
        corpus=Corpus(node="select", fingerprint=manifest.fingerprint, digest=manifest.digest, path=folder),
        made=execution.started if execution else "",
        **found,
    )


def changed(
    config: SelectConfig, rules: Sequence[Step], changes: Sequence[str], folder: Path
) -> tuple[SelectConfig, tuple[Step, ...], list[Difference]]:
    """Config and rules with `NAME.field=value` applied; NAME is a step or a setting of select. Also what differs.

    A list of documents may be a file, its path relative to `folder`, as in the config file that lies there.

    Raises:
        RefusedInput: there is no such step or setting, or the value is not one.
    """
    by_name = {step.name: step.rule.model_dump(mode="json") for step in rules}
    plain = {**config.model_dump(mode="json"), "rules": by_name}
    values = copy.deepcopy(plain)
    settings = [name for name in SelectConfig.model_fields if name not in ("rules", "accept_losses")]
    for change in changes:
        key, _, text = change.partition("=")
        name, *rest = key.removeprefix("select.").split(".")
        name = STEP_SETTINGS.get(name, name)
        try:
            value = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            value = text
        if name in by_name and rest:
            here: Any = values["rules"]
        elif name in settings:
            here = values
        else:
            raise RefusedInput(
                f"{change!r}: what-if answers for {', '.join((*by_name, *STEP_SETTINGS))} and for the settings "
                f"{', '.join(settings)}. Other rules, and what clean or measure decide, are found out by a run."
            )
        *parents, last = name, *rest
        for part in parents:
            here[part] = here[part] if isinstance(here.get(part), dict) else {}
            here = here[part]
        here[last] = value
    origins: dict[Any, str] = {(name,): "command line" for name in SelectConfig.model_fields}
    try:
        read_lists({"select": values}, folder)
        result = SelectConfig.model_validate({**values, "rules": [values["rules"][step.name] for step in rules]})
    except ConfigError as error:
        raise RefusedInput(str(error)) from None
    except ValidationError as error:
        raise RefusedInput(_by_name(explain(error, origins, SelectConfig), rules)) from None
    judging = tuple(
        Step(step.name, rule)
        for step, rule in zip(rules, result.rules, strict=True)
        if not isinstance(rule, PresetRules | DomainRules)
    )
    after = {**result.model_dump(mode="json"), "rules": {one.name: one.rule.model_dump(mode="json") for one in judging}}
    return result, judging, list(differences(plain, after))


def _by_name(complaint: str, rules: Sequence[Step]) -> str:
    """A complaint about `rules.2.minimum` as one about the setting that was given."""
    named = re.sub(r"\brules\.(\d+)\b", lambda found: rules[int(found[1])].name, complaint)
    return named.replace("validate --explain rules", "validate --explain select")
