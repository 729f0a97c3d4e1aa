"""The newest selection of a workspace, and what it was made from; its settings, changed by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline_config.load import explain
from pipeline_config.selection import SelectConfig, step_names
from tasks.comparison.settings import Difference, differences
from tasks.curation.stage import select
from tasks.runtime.artifact import CleanCorpus, Corpus, LabelledData, Measures
from tasks.runtime.errors import RefusedInput
from tasks.runtime.runs import last_fingerprints
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace

STEP_SETTINGS = {"exact": "exact_duplicates", "near": "near_duplicates"}
"""What sets the steps whose name is not that of their setting."""


@dataclass(frozen=True)
class Selected:
    config: SelectConfig
    clean: CleanCorpus
    measures: Measures
    labels: LabelledData
    corpus: Corpus
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
    found: dict[str, Any] = {}
    for name, kind in (("clean", CleanCorpus), ("measures", Measures), ("labels", LabelledData)):
        record = manifest.inputs[name]
        path = store.workspace.artifact(record.node, record.fingerprint)
        before, damage = store.verify(path)
        if before is None:
            raise RefusedInput(
                f"{record.node}: its artifact is {damage}. To make it again: textmill run --until select"
            )
        found[name] = kind(node=record.node, fingerprint=record.fingerprint, digest=record.digest, path=path)
    store.digests.save()
    execution = store.execution(folder)
    return Selected(
        config=SelectConfig.model_validate(manifest.config),
        corpus=Corpus(node="select", fingerprint=manifest.fingerprint, digest=manifest.digest, path=folder),
        made=execution.started if execution else "",
        **found,
    )


def changed(config: SelectConfig, changes: Sequence[str]) -> tuple[SelectConfig, list[Difference]]:
    """The config with `NAME.field=value` applied; NAME is a step or a setting of select. Also what differs.

    Raises:
        RefusedInput: there is no such step or setting, or the value is not one.
    """
    values = config.model_dump(mode="json")
    names = step_names(config.rules)
    for change in changes:
        key, _, text = change.partition("=")
        name, *rest = key.removeprefix("select.").split(".")
        name = STEP_SETTINGS.get(name, name)
        try:
            value = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            value = text
        here: Any
        if name in names and rest:
            here = values["rules"][names.index(name)]
        elif name in SelectConfig.model_fields:
            here, rest = values, [name, *rest]
        else:
            settings = [one for one in SelectConfig.model_fields if one not in ("rules", "accept_losses")]
            raise RefusedInput(
                f"{change!r}: what-if answers for {', '.join((*names, *STEP_SETTINGS))} and for the settings "
                f"{', '.join(settings)}. What clean or measure decide is found out by a run."
            )
        for part in rest[:-1]:
            here[part] = here[part] if isinstance(here.get(part), dict) else {}
            here = here[part]
        here[rest[-1]] = value
    origins: dict[Any, str] = {(name,): "command line" for name in SelectConfig.model_fields}
    try:
        result = SelectConfig.model_validate(values)
    except ValidationError as error:
        raise RefusedInput(explain(error, origins, SelectConfig)) from None
    return result, list(differences(_by_name(config), _by_name(result)))


def _by_name(config: SelectConfig) -> dict[str, Any]:
    plain = config.model_dump(mode="json")
    return {**plain, "rules": dict(zip(step_names(config.rules), plain["rules"], strict=True))}
