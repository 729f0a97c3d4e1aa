"""Undo the last promotion.

The aliases champion and previous go back to where they were before it.

textmill rollback cloud-security
"""

from __future__ import annotations

import argparse
import json

from flows.arguments import add_json, add_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the registered model")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from tasks.promotion.promote import rollback
    from tasks.runtime.registry import Registry
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    workspace.check_writable()
    before, after = rollback(Registry.existing(workspace), model=args.model)
    if args.json:
        print(json.dumps({"model": args.model, "from": before.model_dump(), "to": after.model_dump()}, indent=1))
        return 0
    now = f"version {after.champion} is champion again" if after.champion else "there is no champion any more"
    print(f"rolled back: {now}; version {before.champion} is still registered.")
    return 0
