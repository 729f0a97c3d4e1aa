"""Say what differs between two runs, artifacts or model versions.

Settings, input files, scores (with paired intervals where both judged the same test set), the documents whose
prediction flipped, and the corpus documents that moved, by rule. B is what is new: differences are B minus A.
A and B are two runs, two artifacts of one kind (or two models), or two registered versions.

textmill compare last~1 last             the newest run with the one before
textmill compare tiny/3 tiny@champion    two versions, such as before a promotion
textmill compare select/719f select      two artifacts of a node
textmill compare last~1 last --flips flipped.jsonl --moved moved.jsonl
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from flows.arguments import add_json, add_workspace, opened
from tasks.runtime.errors import RefusedInput
from tasks.runtime.visible import visible

EXAMPLES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "a", metavar="A", help="run (last, last~1, its id), NODE[/fingerprint], MODEL/version or @alias"
    )
    parser.add_argument("b", metavar="B", help="likewise")
    parser.add_argument(
        "--rung", default="", metavar="R", help="whose flips are shown: a step of the ladder (default: last)"
    )
    parser.add_argument("--examples", type=int, default=EXAMPLES, metavar="N", help=f"how many to show ({EXAMPLES})")
    parser.add_argument("--flips", type=Path, default=None, metavar="FILE", help="write all flips, as JSON lines")
    parser.add_argument("--moved", type=Path, default=None, metavar="FILE", help="write all documents that moved")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.comparison.compared import compare
    from flows.comparison.lines import as_lines
    from flows.comparison.sides import side

    if args.examples < 0:
        raise RefusedInput(f"--examples {args.examples}: expected 0 or more.")
    store = opened(args)
    a, b = side(store, args.a), side(store, args.b)
    compared = compare(a, b)
    if args.rung and args.rung not in compared.flips:
        there = ", ".join(filter(None, compared.flips)) or "none"
        raise RefusedInput(f"--rung {args.rung}: no such step was judged on both sides. There are: {there}.")
    if args.flips is not None:
        _write(args.flips, compared.all_flips())
    if args.moved is not None:
        _write(args.moved, compared.all_moved())
    store.digests.save()
    if args.json:
        print(json.dumps(compared.as_json(args.examples), indent=1))
    else:
        print(visible("\n".join(as_lines(compared, args.rung, args.examples))))
    return 0


def _write(file: Path, rows: object) -> None:
    from collections.abc import Iterable

    assert isinstance(rows, Iterable)
    try:
        with file.open("w", encoding="utf-8") as target:
            target.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise RefusedInput(f"{file}: cannot be written ({error.strerror}).") from None
