"""Say what the cache holds and what needs it; with --yes, remove the rest.

Kept is what a config file in the workspace's folder leads to, what the last run or one that is under way uses, and
all that registered versions were made from and judged by. Registered versions and MLflow's runs are never touched.
Removed are other artifacts, the work of runs that ended, and records and logs of runs before the last 50.

textmill clean                           what would go, and how much; nothing is removed
textmill clean --yes
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.arguments import add_json, add_workspace, workspace_option
from flows.plain_lines import WIDTH
from tasks.runtime.errors import RefusedInput
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from flows.cleaning import Cache, Held, Removed
    from tasks.runtime.workspace import Workspace

LISTED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="remove it; without, only say what would be removed")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.cleaning import look, remove
    from tasks.runtime.store import Store
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    if not workspace.artifacts.is_dir():
        raise RefusedInput(f"{workspace.root}: nothing has run here, so there is nothing to clean.")
    cache = look(Store(workspace))
    if not args.json:
        print(visible("\n".join(_lines(cache, workspace))))
    removed = None
    if args.yes:
        removed = remove(workspace, cache)
    if args.json:
        print(json.dumps(_as_json(cache, removed, workspace), indent=1))
    else:
        where = workspace_option(args.workspace)
        print(visible("\n".join(_conclusion(cache, removed, f"textmill clean --yes{where}"))))
    return 0


def _as_json(cache: Cache, removed: Removed | None, workspace: Workspace) -> dict[str, Any]:
    """For programs: `held` (`node`, `fingerprint`, `bytes`, `made`, `kept_for`), `remove` (`path`, `bytes`, `why`),
    `bytes`, `notes`; after --yes also `removed`, `freed_bytes` and `skipped`."""
    report = {
        "workspace": str(workspace.root),
        "held": [
            {"node": one.node, "fingerprint": one.fingerprint, "bytes": one.size, "made": one.made}
            | {"kept_for": one.kept_for}
            for one in cache.artifacts
        ],
        "remove": [
            {"path": str(path.relative_to(workspace.root)), "bytes": size, "why": why}
            for path, size, why in _to_remove(cache)
        ],
        "bytes": sum(size for _, size, _ in _to_remove(cache)),
        "notes": cache.notes,
    }
    if removed is not None:
        report["removed"] = [str(path.relative_to(workspace.root)) for path in removed.paths]
        report |= {"freed_bytes": removed.size, "skipped": removed.skipped}
    return report


def _to_remove(cache: Cache) -> list[tuple[Any, int, str]]:
    unneeded = [(one.path, one.size, "no config, run or version needs it") for one in cache.unneeded]
    return [*unneeded, *((one.path, one.size, one.why) for one in cache.leftovers)]


def _lines(cache: Cache, workspace: Workspace) -> Iterator[str]:
    from tasks.runtime.units import count, size

    total = sum(one.size for one in cache.artifacts)
    yield f"{count(len(cache.artifacts))} artifacts, {size(total)}"
    yield f" {'node':<20} {'kept':>4} {'of':>4} {'size':>9}  {'made':<16} needed by"
    by_node: dict[str, list[Held]] = {}
    for one in cache.artifacts:
        by_node.setdefault(one.node, []).append(one)
    for node, held in sorted(by_node.items(), key=lambda item: min(one.made for one in item[1])):
        kept = sum(bool(one.kept_for) for one in held)
        made = _ages([one.made for one in held if one.made])
        reasons = _brief([reason for one in held for reason in one.kept_for])
        head = f" {node:<20} {kept:>4} {len(held):>4} {size(sum(one.size for one in held)):>9}  {made:<16} "
        yield from textwrap.wrap(
            reasons or "nothing", WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
        )
    for note in cache.notes:
        yield ""
        yield from textwrap.wrap(note, WIDTH, subsequent_indent="  ")
    rows = _to_remove(cache)
    if rows:
        yield ""
        yield f"{'to remove':<53} {'size':>9}"
    for path, number, why in rows[:LISTED]:
        name = str(path.relative_to(workspace.root))
        yield f" {name if len(name) <= 52 else name[:51] + '…':<52} {size(number):>9}  {why}"
    if len(rows) > LISTED:
        yield f" … and {len(rows) - LISTED} more (--json names all)"


def _conclusion(cache: Cache, removed: Removed | None, command: str) -> Iterator[str]:
    from tasks.runtime.units import count, size

    yield ""
    rows = _to_remove(cache)
    if not rows:
        yield "Nothing to remove: everything is needed."
    elif removed is not None:
        yield from (f"left: {one}" for one in removed.skipped)
        yield f"removed: {count(len(removed.paths))} folders, {size(removed.size)}."
    else:
        total = size(sum(number for _, number, _ in rows))
        yield f"{count(len(rows))} folders to remove, {total}. Nothing was removed. To do it:"
        yield f"  {command}"


def _ages(moments: Sequence[str]) -> str:
    """How long ago the oldest and the newest were made."""
    ages = list(dict.fromkeys(_age(moment) for moment in sorted(moments)))
    return "unknown" if not ages else ages[0] if len(ages) == 1 else f"{ages[0]} … {ages[-1]}"


def _age(moment: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return "now"


def _brief(reasons: Sequence[str]) -> str:
    """Each reason once; the versions of a model together."""
    named: dict[str, set[int]] = {}
    others = []
    for reason in reasons:
        model, _, version = reason.rpartition(" ")
        if version.isdigit():
            named.setdefault(model, set()).add(int(version))
        else:
            others.append(reason)
    models = [f"{model} {_ranges(sorted(numbers))}" for model, numbers in named.items()]
    return "; ".join([*dict.fromkeys(others), *models])


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as `1–3, 5`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in found)
