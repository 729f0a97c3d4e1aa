"""Write the report of a run, one file that needs nothing else, and print where it lies.

Every run of the road that ends writes its own; this draws it again, or that of a run that was stopped.

textmill report                          of the newest run
textmill report 20261121T145133Z --out results.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from flows.arguments import add_workspace
from flows.references import find_run
from tasks.runtime.errors import RefusedInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="last~1 or the beginning of an id (default: newest)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: runs/RUN/report.html)")
    add_workspace(parser)


def run(args: argparse.Namespace) -> int:
    from tasks.report.page import write_report
    from tasks.runtime.runs import newest_record
    from tasks.runtime.store import Store
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    record = find_run(Store(workspace), args.run) if args.run else newest_record(workspace)
    if record is None:
        raise RefusedInput(f"{args.run!r}: expected a run: last, last~1 or the beginning of its id.")
    if args.out is not None and args.out.is_dir():
        raise RefusedInput(
            f"--out {args.out}: that is a folder; name a file in it, such as {args.out / 'report.html'}."
        )
    if args.out is not None and not args.out.resolve().parent.is_dir():
        raise RefusedInput(f"--out {args.out}: there is no folder {args.out.parent}. Make it, or name another file.")
    print(write_report(workspace, record, args.out))
    return 0
