"""Say what would run, why, and what it would cost; run nothing.

Costs are what earlier runs of this workspace measured.

textmill plan
textmill plan finetune.learning_rate=3e-5
textmill plan --force select
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flows.arguments import add_config, add_json, config_arguments
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from pipeline_config.pipeline import PipelineConfig
    from tasks.runtime.planning import PlannedNode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--force", action="append", default=[], metavar="S", help="as if S (a node or stage) were to run in any case"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    import json

    from flows.prepare import load_checked, plan_road

    loaded = load_checked(config_arguments(args))
    nodes = plan_road(loaded, args.force).nodes
    if args.json:
        memory = {"select_bytes_a_document": select_bytes(loaded.config)}
        print(json.dumps({"nodes": [as_json(node) for node in nodes], **memory}, indent=1))
    else:
        print(visible("\n".join([*as_lines(nodes), *select_lines(loaded.config, nodes)])))
    return 0


def as_json(node: PlannedNode) -> dict[str, Any]:
    estimate = None
    if node.estimate is not None:
        estimate = {
            "seconds": round(node.estimate.seconds, 1),
            "memory_bytes": node.estimate.memory_bytes,
            "disk_bytes": node.estimate.disk_bytes,
        }
    return {"name": node.node, "action": node.action, "reason": node.reason, "estimate": estimate}


def as_lines(nodes: list[PlannedNode]) -> list[str]:
    """The plan for a person: runs of nodes that are simply reused share a line."""
    from tasks.runtime.units import duration, size

    lines: list[str] = []
    reused: list[str] = []

    def flush() -> None:
        if reused:
            names = ", ".join(reused) if len(reused) <= 4 else f"{reused[0]} … {reused[-1]} ({len(reused)} nodes)"
            lines.append(f" reuse  {names}")
            reused.clear()

    for node in nodes:
        if node.certain:
            reused.append(node.node)
            continue
        flush()
        cost = f"~{duration(node.estimate.seconds)}" if node.estimate else "unknown"
        lines.append(
            f" {node.action:<6} {node.node:<20} {node.reason:<48} {cost if node.action == 'run' else ''}".rstrip()
        )
    flush()
    running = [node for node in nodes if node.action == "run"]
    known = [node.estimate for node in running if node.estimate]
    if not running:
        lines.append("Nothing to run: every node is reused." if all(n.certain for n in nodes) else "")
    elif not known:
        how_many, which = ("1 node", "it") if len(running) == 1 else (f"{len(running)} nodes", "them")
        lines.append(f"{how_many} to run; time unknown: no earlier run of {which} is on record. Nothing has been run.")
    else:
        partly = "" if len(known) == len(running) else f" for {len(known)} of {len(running)} nodes, the rest is unknown"
        lines.append(
            f"about {duration(sum(one.seconds for one in known))}, "
            f"{size(max(one.memory_bytes for one in known))} memory, "
            f"{size(sum(one.disk_bytes for one in known))} on disk{partly}. Nothing has been run."
        )
    return lines


def select_bytes(config: PipelineConfig) -> int:
    """What grows with the corpus in the memory of `select`, a document."""
    from tasks.curation.footprint import bytes_a_document
    from tasks.dedup.bands import bands_of

    near = config.select.near_duplicates
    return bytes_a_document(bands_of(near, config.measure.signature.permutations).bands if near else 0)


def select_lines(config: PipelineConfig, nodes: list[PlannedNode]) -> list[str]:
    """The memory that `select` will take, if it runs; in all where the number of documents is known."""
    from tasks.runtime.units import size

    by_name = {node.node: node for node in nodes}
    if by_name["select"].action != "run":
        return []
    each = select_bytes(config)
    known = [by_name[name].artifact for name in ("clean", "ingest.corpus") if by_name[name].certain]
    if not known:
        return [f"select holds {each} bytes a document in memory."]
    documents = known[0].metrics["account"]["documents_kept"]
    return [f"select holds {each} bytes a document in memory, {size(each * documents)} for {documents} documents."]
