"""Make a registered version the champion, if its gates agree.

Exit code 3: a gate refused, and nothing was changed.

textmill promote cloud-security 5
textmill promote cloud-security 5 --override "the champion leaks customer names"
"""

from __future__ import annotations

import argparse
import json

from flows.arguments import DEFAULT_CONFIG, ConfigArguments, add_json, add_workspace
from tasks.runtime.errors import GateRefused, RefusedInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the registered model")
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the version")
    parser.add_argument("--override", default=None, metavar="REASON", help="promote against the gates, and record why")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.prepare import load_checked

    if args.override is not None and not args.override.strip():
        raise RefusedInput("--override needs a reason; it goes into the ledger.")
    loaded = load_checked(ConfigArguments(args.workspace / DEFAULT_CONFIG, ()))
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
        raise GateRefused(outcome.sentence())
    if not args.json:
        print(outcome.sentence())
    return 0
