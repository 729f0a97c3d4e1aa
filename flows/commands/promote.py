"""Make a registered version the champion, if its gates agree.

Exit code 3: a gate refused, and nothing was changed.

textmill promote cloud-security 5
textmill promote cloud-security 5 promotion.min_agreement=0.98
textmill promote cloud-security 5 --override "the champion leaks customer names"
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from flows.arguments import (
    DEFAULT_CONFIG,
    ConfigArguments,
    add_config,
    add_json,
    add_workspace,
    config_arguments,
    workspace_option,
)
from tasks.runtime.errors import GateRefused, RefusedInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the registered model")
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the version")
    add_config(parser)
    parser.add_argument("--override", default=None, metavar="REASON", help="promote against the gates, and record why")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.prepare import load_checked

    if args.override is not None and not args.override.strip():
        raise RefusedInput("--override needs a reason; it goes into the ledger.")
    loaded = load_checked(_config(args))
    file, name = loaded.arguments.file, loaded.config.model.name
    if args.model.removesuffix("-encoder") != name.removesuffix("-encoder"):
        raise RefusedInput(
            f"{file} is the config of {name} (model.name), not of {args.model}, whose gates it does not state. Name "
            f"the config that {args.model} was made with: textmill promote {args.model} {args.version} CONFIG"
        )
    loaded.store.workspace.check_writable()

    from tasks.promotion.gates import table
    from tasks.promotion.promote import promote
    from tasks.runtime.registry import Registry

    outcome = promote(
        Registry.existing(loaded.store.workspace),
        model=args.model,
        version=args.version,
        config=loaded.config.promotion,
        override=args.override or "",
    )
    if args.json:
        print(json.dumps(outcome.as_json(), indent=1))
    elif outcome.verdict is not None:
        print(table(outcome.verdict))
    if outcome.refused:
        where = workspace_option(args.workspace)
        raise GateRefused(outcome.sentence(where))
    if not args.json:
        print(outcome.sentence())
    return 0


def _config(args: argparse.Namespace) -> ConfigArguments:
    """What states the gates: the config that was named, else that of the workspace."""
    given = config_arguments(args)
    if all("=" in item for item in args.items):
        return ConfigArguments(args.workspace / DEFAULT_CONFIG, given.overrides)
    if args.workspace != Path():
        raise RefusedInput(f"{given.file} says by its folder where the workspace is; leave --workspace out.")
    return given
