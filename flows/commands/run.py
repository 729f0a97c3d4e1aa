"""Run the road: from raw text to a judged, registered model.

What is unchanged is reused; after Ctrl-C or a failure the same command goes on. S is a node, such as
finetune.base, or a stage, which means all its nodes: ingest clean measure select tokenizer pack
pretrain finetune distill compress evaluate.

textmill run
textmill run finetune.learning_rate=3e-5
textmill run --until select              then look: textmill show select
textmill run --only evaluate
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.arguments import DEFAULT_CONFIG, add_config, add_json, config_arguments, workspace_option
from tasks.runtime.errors import GateRefused, RefusedInput

if TYPE_CHECKING:
    from flows.prepare import Loaded, Plan
    from flows.running import Outcome, Selection
    from flows.terminal import Terminal

EXAMPLE_LENGTH = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--from", dest="start", default="", metavar="S", help="everything before S must be reusable")
    parser.add_argument("--until", default="", metavar="S", help="stop after S")
    parser.add_argument("--only", default="", metavar="S", help="run S alone: --from S --until S")
    parser.add_argument("--sample", metavar="SHARE", help="a first look at a share of the corpus, such as 1%%")
    parser.add_argument("--force", action="append", default=[], metavar="S", help="run S although it is reusable")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.prepare import load_checked
    from flows.running import Selection, prepare
    from flows.terminal import Terminal
    from tasks.runtime.units import duration

    if args.only and (args.start or args.until):
        raise RefusedInput("--only S means --from S --until S; give one or the other.")
    began = time.monotonic()
    if args.sample:
        args.items.append(f"ingest.corpus.sample={_share(args.sample)}")
    loaded = load_checked(config_arguments(args))
    selection = Selection(args.only or args.start, args.only or args.until, tuple(args.force))
    plan = prepare(loaded, selection)
    terminal = Terminal(sys.stderr if args.json else sys.stdout)
    count = sum(node.action == "run" for node in plan.nodes[: selection.last(plan.names) + 1])
    terminal.line(f"{loaded.config.model.name}: {len(plan.nodes)} nodes, {count or 'none'} to run")
    outcome = _in_flow(loaded, plan, selection, terminal)
    if args.json:
        print(json.dumps(as_json(outcome), indent=1))
    else:
        _report(loaded, outcome, terminal)
        terminal.line(f"{duration(time.monotonic() - began)}{_costs(loaded, outcome)}")
        terminal.line(f"report: {_report_file(loaded, outcome)}")
        _next_steps(loaded, outcome, terminal)
    if outcome.promotion is not None and outcome.promotion.refused:
        raise GateRefused(outcome.promotion.sentence(_where(loaded)))
    return 0


def _share(text: str) -> float:
    number, percent, rest = text.partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = 0
    if rest or not 0 < share <= 1:
        raise RefusedInput(f"--sample {text}: expected a share above 0 and at most 1, such as 1% or 0.01.")
    return share


def _in_flow(loaded: Loaded, plan: Plan, selection: Selection, terminal: Terminal) -> Outcome:
    """Run as the Prefect flow, in this process, in the foreground."""

    from flows.operation.prefect_client import connect, server_needed
    from tasks.runtime.mlflow_store import open_client
    from tasks.runtime.processes import quick_imports
    from tasks.runtime.reachable import check_reachable

    workspace = loaded.store.workspace
    os.environ.update(workspace.environment())
    check_reachable("MLFLOW_TRACKING_URI")
    with quick_imports():
        connect(workspace, terminal.line)
        open_client(workspace)  # imports MLflow, and what its store needs
        from flows.corpus_to_model import run_in_foreground

    try:
        with server_needed():
            return run_in_foreground(loaded, plan, selection, terminal)
    finally:
        terminal.close()
        loaded.store.digests.save()


def as_json(outcome: Outcome) -> dict[str, Any]:
    nodes = [
        {"name": node, "action": record.action, "seconds": round(record.seconds, 3), "reason": record.reason}
        | {"fingerprint": record.fingerprint, "digest": record.digest}
        for node, record in outcome.record.nodes.items()
    ]
    report: dict[str, Any] = {"run": outcome.record.id, "nodes": nodes, "models": [], "promotion": None}
    if outcome.promotion is not None:
        report["models"] = [vars(version) for version in outcome.promotion.versions]
        report["promotion"] = outcome.promotion.as_json()
    if outcome.milestones.evaluation is not None:
        report["ladder"] = outcome.milestones.evaluation.metrics["rungs"]
        report["judged"] = outcome.judged
    return report


def _report(loaded: Loaded, outcome: Outcome, terminal: Terminal) -> None:
    from tasks.evaluation.ladder import ladder_table

    evaluation = outcome.milestones.evaluation
    if evaluation is None:
        return
    executions = {
        node: loaded.store.execution(loaded.store.workspace.artifact(node, record.fingerprint))
        for node, record in outcome.record.nodes.items()
    }
    cpu_seconds = {node: execution.cpu_seconds for node, execution in executions.items() if execution}
    judging = executions[evaluation.node]
    terminal.line("")
    for line in ladder_table(
        evaluation.metrics, judging.measured if judging else {}, cpu_seconds, judged=outcome.judged
    ):
        terminal.line(line)
    terminal.line("")
    if outcome.promotion is not None and not outcome.promotion.refused:
        terminal.line(outcome.promotion.sentence(_where(loaded)))
    if outcome.promotion is not None and outcome.promotion.refused and outcome.promotion.verdict is not None:
        from tasks.promotion.gates import table

        terminal.line(table(outcome.promotion.verdict))


def _costs(loaded: Loaded, outcome: Outcome) -> str:
    """The most memory of a stage in this run, and what the artifacts of the road take on disk."""
    from tasks.runtime.units import size

    executions = [
        (record, loaded.store.execution(loaded.store.workspace.artifact(node, record.fingerprint)))
        for node, record in outcome.record.nodes.items()
    ]
    memory = max((one.memory_bytes for record, one in executions if one and record.action == "ran"), default=0)
    disk = sum(one.disk_bytes for _, one in executions if one)
    most = f", {size(memory)} memory at most" if memory else ""
    return f"{most}, {size(disk)} of artifacts on disk"


def _report_file(loaded: Loaded, outcome: Outcome) -> str:
    file = loaded.store.workspace.report(outcome.record.id)
    if not file.exists():
        return "it could not be written; textmill report says why"
    return os.path.relpath(file)


def _next_steps(loaded: Loaded, outcome: Outcome, terminal: Terminal) -> None:
    if outcome.promotion is None:
        return
    from tasks.promotion.figures import example_text

    name, file = loaded.config.model.name, loaded.arguments.file
    config = "" if str(file) == DEFAULT_CONFIG else f" {shlex.quote(str(file))}"
    alias = "champion" if outcome.promotion.champion == outcome.promotion.candidate else "challenger"
    labels = loaded.store.workspace.artifact("ingest.labels", outcome.record.nodes["ingest.labels"].fingerprint)
    textmill = _executable()
    terminal.line(
        f"\nnext:  {textmill} predict {name}@{alias}{_where(loaded)} --text {_quoted(example_text(labels))}\n"
        f"       {textmill} plan{config} finetune.adapted.learning_rate=3e-5\n"
        f"       {textmill} show {name}@{alias}{_where(loaded)}"
    )


def _executable() -> str:
    """What to type to call this program from the current folder."""
    own = Path(sys.executable).with_name("textmill")
    if shutil.which("textmill") or not own.exists():
        return "textmill"
    if not own.is_relative_to(Path.cwd()):
        return shlex.quote(str(own))
    near = own.relative_to(Path.cwd())
    return shlex.quote(str(near) if len(near.parts) > 1 else f"./{near}")


def _quoted(text: str) -> str:
    """The first words of a text for a shell's command line."""
    line = " ".join(text.split())
    return shlex.quote(textwrap.shorten(line, EXAMPLE_LENGTH, placeholder="") or line[:EXAMPLE_LENGTH])


def _where(loaded: Loaded) -> str:
    """What commands about models need to find the workspace from here."""
    return workspace_option(loaded.arguments.file.parent)
