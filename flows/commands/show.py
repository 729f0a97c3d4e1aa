"""Show what there is and what it was made from.

A run, a node, a registered model, or the fate of one document: kept, edited or dropped, and why.

textmill show                            the nodes of the last run; last~1 is the one before
textmill show finetune.adapted           what a node was made from, its config and figures
textmill show evaluate                   the value ladder
textmill show finetune                   the nodes of a stage
textmill show cloud-security@champion    what a model was made from, back to the input files
textmill show doc:7f3a9c                 the fate of a document; a file of text works too
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.arguments import add_json, add_workspace, opened
from flows.plain_lines import WIDTH, as_lines, as_yaml
from flows.references import find_artifact, find_run, is_model, known
from flows.witnesses import document
from tasks.runtime.errors import RefusedInput
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from tasks.runtime.artifact import Manifest
    from tasks.runtime.runs import RunRecord
    from tasks.runtime.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "reference",
        nargs="?",
        metavar="REF",
        help="run (last, last~1, its id), NODE[/fingerprint], stage, MODEL, MODEL@alias, MODEL/version, doc:ID or file",
    )
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    store = opened(args)
    reference: str | None = args.reference
    if reference is None:
        report = _run(store, find_run(store, "last"))
        lines = _run_lines(report)
    elif reference.startswith("doc:") or Path(reference).is_file():
        report = document(store, _current(store), reference)
        lines = report["lines"]
    elif (record := find_run(store, reference)) is not None:
        report = _run(store, record)
        lines = _run_lines(report)
    elif (artifact := find_artifact(store, reference)) is not None:
        report = _node(store, artifact.node, artifact.fingerprint)
        lines = _node_lines(report, _ladder(store, report))
    elif members := {node: fp for node, fp in _current(store).items() if node.startswith(f"{reference}.")}:
        report = _workspace(store, members)
        lines = _workspace_lines(report)
    elif is_model(store, reference):
        report = _model(store, reference)
        lines = _model_lines(report)
    else:
        raise RefusedInput(
            f"{reference!r} is no node or stage that has run here, no run, no MODEL, MODEL@alias or MODEL/version, no "
            f"doc:ID and no file.\n  {known(store)}"
        )
    store.digests.save()
    print(json.dumps(report, indent=1) if args.json else visible("\n".join(lines)))
    return 0


def _current(store: Store) -> dict[str, str]:
    """Every node that has run and its fingerprint in the newest run that had it."""
    from tasks.runtime.runs import last_fingerprints

    return last_fingerprints(store.workspace)


def _run(store: Store, record: RunRecord | None) -> dict[str, Any]:
    assert record is not None
    fields = record.model_dump(mode="json", include={"id", "config_file", "overrides", "started", "status"})
    report = _workspace(store, {node: entry.fingerprint for node, entry in record.nodes.items()})
    missing = [node for node in _current(store) if node not in record.nodes]
    return {**report, "run": fields, "not_in_this_run": missing}


def _run_lines(report: dict[str, Any]) -> list[str]:
    run = report["run"]
    started = run["started"][:16].replace("T", " ")
    lines = textwrap.wrap(
        f"run {run['id']}: {' '.join([run['config_file'], *run['overrides']])}, {run['status']}, started {started}",
        WIDTH,
        subsequent_indent="  ",
    )
    lines += _workspace_lines(report) if report["nodes"] else ["no node was reached"]
    if report["not_in_this_run"]:
        text = f"of earlier runs: {', '.join(report['not_in_this_run'])}  (textmill show NODE; textmill show last~1)"
        lines += ["", *textwrap.wrap(text, WIDTH, subsequent_indent="  ")]
    return lines


def _workspace(store: Store, nodes: dict[str, str]) -> dict[str, Any]:
    rows = []
    for node, fingerprint in nodes.items():
        folder = store.workspace.artifact(node, fingerprint)
        manifest, damage = store.verify(folder)
        execution = store.execution(folder)
        rows.append(
            {
                "node": node,
                "kind": manifest.kind if manifest else None,
                "fingerprint": fingerprint,
                "digest": manifest.digest if manifest else None,
                "state": damage or "intact",
                "made": execution.started if execution else None,
                "seconds": execution.seconds if execution else None,
                "disk_bytes": execution.disk_bytes if execution else None,
            }
        )
    return {"workspace": str(store.workspace.root), "nodes": rows}


def _workspace_lines(report: dict[str, Any]) -> list[str]:
    from tasks.runtime.units import duration, size

    lines = [f" {'node':<20} {'artifact':<16} {'digest':<12} {'made':<20} {'time':>10} {'size':>9}"]
    for row in report["nodes"]:
        if row["state"] != "intact":
            lines.append(f" {row['node']:<20} {row['state']}")
            continue
        time = duration(row["seconds"] or 0)
        made, disk = (row["made"] or "")[:19].replace("T", " "), size(row["disk_bytes"] or 0)
        lines.append(f" {row['node']:<20} {row['kind']:<16} {row['digest'][:10]:<12} {made:<20} {time:>10} {disk:>9}")
    return lines


def _node(store: Store, node: str, fingerprint: str) -> dict[str, Any]:
    folder = store.workspace.artifact(node, fingerprint)
    manifest, damage = store.verify(folder)
    if manifest is None:
        raise RefusedInput(f"{node}: its artifact is {damage}. To make it again: textmill run --until {node}")
    execution = store.execution(folder)
    return {
        "node": node,
        "folder": str(folder),
        "manifest": manifest.model_dump(mode="json"),
        "execution": execution.model_dump() if execution else None,
        "lineage": list(_lineage(store, manifest)),
    }


def _lineage(
    store: Store, manifest: Manifest, depth: int = 0, seen: set[str] | None = None
) -> Iterator[dict[str, Any]]:
    """What an artifact was made from, depth first; what was told already is only named."""
    seen = set() if seen is None else seen
    for name, record in manifest.inputs.items():
        told = record.fingerprint in seen
        seen.add(record.fingerprint)
        entry = {"depth": depth, "as": name, "told": told, **record.model_dump(exclude={"files"})}
        if record.files:
            entry["files"] = record.files
        yield entry
        if not told and not record.files:
            before, _ = store.verify(store.workspace.artifact(record.node, record.fingerprint))
            if before is not None:
                yield from _lineage(store, before, depth + 1, seen)


def _ladder(store: Store, report: dict[str, Any]) -> list[str]:
    """Of an evaluation the value ladder as `run` shows it; nothing for other artifacts."""
    manifest = report["manifest"]
    if manifest["kind"] != "Evaluation":
        return []
    from flows.running import judgements
    from tasks.evaluation.ladder import ladder_table

    costs = {}
    for record in manifest["inputs"].values():
        if execution := store.execution(store.workspace.artifact(record["node"], record["fingerprint"])):
            costs[record["node"]] = execution.cpu_seconds
    measured = (report["execution"] or {}).get("measured", {})
    judged = judgements(store.workspace, manifest["metrics"]["test_digest"])
    with suppress(KeyError):  # an earlier version of the stage counted other things
        return ladder_table(manifest["metrics"], measured, costs, judged=max(1, judged))
    return []


def _node_lines(report: dict[str, Any], ladder: list[str]) -> list[str]:
    """`ladder`: shown in place of the figures, if it is one."""
    from tasks.runtime.units import duration, size

    manifest, execution = report["manifest"], report["execution"]
    lines = [
        f"{report['node']}: {manifest['kind']}, stage {manifest['stage']} version {manifest['version']}",
        f"  folder       {report['folder']}",
        f"  fingerprint  {manifest['fingerprint']}",
        f"  digest       {manifest['digest']}",
    ]
    if execution:
        versions = ", ".join(f"{name} {version}" for name, version in execution["versions"].items())
        lines += [
            f"  made         {execution['started']} in {duration(execution['seconds'])} "
            f"({duration(execution['cpu_seconds'])} of CPU), {size(execution['memory_bytes'])} memory, "
            f"{size(execution['disk_bytes'])} on disk",
            *textwrap.wrap(versions, WIDTH, initial_indent="  with         ", subsequent_indent=" " * 15),
        ]
    figures = ladder or ["figures", *as_lines(manifest["metrics"])]
    lines += ["", "made from", *_lineage_lines(report["lineage"]), "", *figures]
    lines += ["", "config", *as_yaml(manifest["config"])]
    return lines


def _lineage_lines(lineage: list[dict[str, Any]]) -> list[str]:
    lines = []
    for entry in lineage:
        indent = "  " * (entry["depth"] + 1)
        above = "  (see above)" if entry["told"] else ""
        lines.append(f"{indent}{entry['node']}  {entry['digest'][:10]}{above}")
        files = list(entry.get("files", {}).items())
        if entry["told"]:
            continue
        lines += [
            f"{indent}  {_fitted(name, WIDTH - 22 - len(indent))}  sha256 {sha256[:10]}" for name, sha256 in files[:3]
        ]
        if len(files) > 3:
            lines.append(f"{indent}  and {len(files) - 3} more files (--json names all)")
    return lines


def _fitted(name: str, room: int) -> str:
    """A file's name in `room` columns: its beginning and its end tell most."""
    return name if len(name) <= room else f"{name[: room // 3]}…{name[room // 3 + 1 - room :]}"


def _model(store: Store, reference: str) -> dict[str, Any]:
    from tasks.promotion.journal import champion_note
    from tasks.runtime.registry import Registry

    registry = Registry(store.workspace)
    version = registry.resolve(reference)
    aliases = [alias for alias, number in registry.aliases(version.model).items() if number == version.version]
    manifest, damage = store.verify(store.workspace.artifact(version.node, version.fingerprint))
    folder = None
    with suppress(RefusedInput):  # its files are gone; the rest is worth a look
        folder = registry.folder(version)
    card = folder / "README.md" if folder else Path()
    return {
        "model": version.model,
        "version": version.version,
        "aliases": aliases,
        "champion": champion_note(registry, version.model) if "champion" in aliases else "",
        "tags": dict(version.tags),
        "folder": str(folder or "none"),
        "damage": list(registry.damage(version)),
        "artifact": damage or "intact",
        "lineage": list(_lineage(store, manifest)) if manifest else [],
        "config": manifest.config if manifest else None,
        "card": card.read_text(encoding="utf-8") if card.is_file() else "no card lies in it",
    }


def _model_lines(report: dict[str, Any]) -> list[str]:
    tags = report["tags"]
    aliases = ", ".join(f"@{alias}" for alias in report["aliases"]) or "no alias"
    damaged = f"  DAMAGED: {', '.join(report['damage'])}" if report["damage"] else ""
    lines = [
        f"{report['model']} version {report['version']} ({tags.get('variant')}): {aliases}",
        f"  files        {report['folder']}{damaged}",
        f"  digest       {tags.get('digest')}",
        f"  node         {tags.get('node')}, fingerprint {tags.get('fingerprint')}",
    ]
    if report["champion"]:
        lines.insert(1, f"  champion     {report['champion']}: textmill promote {report['model']} {report['version']}")
    if report["lineage"]:
        lines += ["", "made from", *_lineage_lines(report["lineage"])]
    else:
        lines += ["", f"its artifact in this workspace is {report['artifact']}; the version is a full copy and stands"]
    return [*lines, "", report["card"].rstrip()]
