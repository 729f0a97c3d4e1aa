"""Ask what other rules would move, or audit a sample.

what-if decides again from stored measures and signatures, in seconds, and changes nothing. NAME is a step of the
funnel (textmill show select) or a setting of select. audit writes a sample of documents by step as CSV; with yes or no
in its column `right`, --read gives each step's precision. card tells sources, licences, what was taken out and limits.

textmill select what-if word_count.minimum=10
textmill select what-if near.threshold=0.7 exact=false --json
textmill select what-if drop=taken-down.txt
textmill select audit --n 200 --out sample.csv
textmill select audit --read sample.csv
textmill select card
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flows.arguments import add_json, config_arguments
from tasks.runtime.errors import RefusedInput
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from flows.selection import Selected
    from tasks.curation.what_if import WhatIf

EXAMPLES, SAMPLE = 5, 200
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("what-if", "audit", "card"))
    parser.add_argument(
        "items", nargs="*", metavar="NAME.field=value | CONFIG", help="what to change; the config file of the workspace"
    )
    parser.add_argument("--examples", type=int, metavar="N", help=f"documents to show of each move ({EXAMPLES})")
    parser.add_argument("--n", type=int, metavar="N", help=f"documents to sample ({SAMPLE})")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the sample")
    parser.add_argument("--read", type=Path, metavar="FILE", help="a sample with its answers")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    match args.action:
        case "what-if":
            _refuse(args, "audit", "n", "out", "read")
            report, lines = _what_if(args)
        case "audit":
            _refuse(args, "what-if", "examples")
            report, lines = _audit(args)
        case _:
            _refuse(args, "what-if", "examples")
            _refuse(args, "audit", "n", "out", "read")
            report, lines = _card(args)
    print(json.dumps(report, indent=1) if args.json else visible("\n".join(lines)))
    return 0


def _refuse(args: argparse.Namespace, action: str, *options: str) -> None:
    for option in options:
        if getattr(args, option) is not None:
            raise RefusedInput(f"--{option} belongs to: textmill select {action}. Given: select {args.action}.")


def _what_if(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from flows.selection import changed, newest
    from tasks.curation.what_if import what_if

    examples = EXAMPLES if args.examples is None else args.examples
    if examples < 0:
        raise RefusedInput(f"--examples {examples}: expected 0 or more.")
    given = config_arguments(args)
    if not given.overrides:
        raise RefusedInput("what-if what? Expected NAME.field=value, such as word_count.minimum=10.")
    selected = newest(given.file)
    config, rules, changes = changed(selected.config, selected.rules, given.overrides, given.file.parent)
    made = selected.clean, selected.measures, selected.labels, selected.corpus, selected.benchmarks
    with TemporaryDirectory() as scratch:
        found = what_if(config, rules, *made, Path(scratch), samples=examples)
    report = {
        "artifact": f"select/{selected.corpus.fingerprint}",
        "changes": [vars(change) for change in changes],
        "refitted": [],
        **vars(found),
        "samples": {move: [vars(one) for one in shown] for move, shown in found.samples.items()},
    }
    lines = [f"against select/{selected.corpus.fingerprint[:10]}, made {_minute(selected)}"]
    lines += [f"  {change.key}  {_brief(str(change.a))} → {_brief(str(change.b))}" for change in changes]
    return report, [*lines, "", *_told(found)]


def _told(found: WhatIf) -> Iterator[str]:
    from tasks.curation.selection import listed_told
    from tasks.runtime.units import count, size

    before, after = found.kept["before"], found.kept["after"]
    fewer, more = before["documents"] - after["documents"], after["bytes"] - before["bytes"]
    yield (
        f"kept  {count(before['documents'])} → {count(after['documents'])} documents "
        f"({'−' if fewer > 0 else '+'}{count(abs(fewer))}), {size(before['bytes'])} → {size(after['bytes'])} "
        f"({'−' if more < 0 else '+'}{size(abs(more))})"
    )
    for move, figures in found.moves.items():
        steps = ", ".join(f"{count(number)} {step}" for step, number in figures["by_step"].items())
        shown = f" ({steps})" if steps else ""
        yield f"  {move:<24} {count(figures['documents']):>9} documents {size(figures['bytes']):>9}{shown}"
    yield ""
    yield f" {'step':<26} {'dropped first here':>32} {'would drop alone':>32}"
    for row in found.steps:
        note = " (report only)" if row["report_only"] else ""
        yield f" {row['step'] + note:<26} {_pair(row['first']):>32} {_pair(row['alone']):>32}"
    for move, samples in found.samples.items():
        if samples:
            yield ""
            yield f"{move}, {len(samples)} of {count(found.moves[move]['documents'])}"
        for one in samples:
            bound = "" if one.threshold is None else f", threshold {one.threshold:.4g}"
            value = "" if one.value is None else f" ({one.value:.4g}{bound})"
            twin = f" of {one.matched[:16]}" if one.matched else ""
            yield f" {one.document[:16]}  {one.source}  {one.step}: {one.reason}{twin}{value}"
            yield f"   “{_brief(one.excerpt)}”"
    yield ""
    for name, listed in found.listed.items():
        yield listed_told(name, listed)
    if found.left_out:
        yield f"Left out, before and after: {', '.join(found.left_out)}, behind these steps. Texts count uncut."
    if found.losses:
        yield f"A run would stop: {'; '.join(found.losses)} (select.accept_losses)."
    yield "Nothing was measured, trained or changed: measures, models, signatures and thresholds fitted to the domain"
    yield "are of that run; quantiles and budgets (perplexity, relevance) are taken of its stored measures."
    yield "To see one of them: textmill show doc:ID. To decide so: textmill run --until select select.…=…"


def _pair(sides: dict[str, dict[str, int] | None]) -> str:
    from tasks.runtime.units import count, size

    one, other = (f"{count(side['documents'])}, {size(side['bytes'])}" if side else "–" for side in sides.values())
    return one if one == other else f"{one} → {other}"


def _brief(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WIDTH - 6 else flat[: WIDTH - 7] + "…"


def _minute(selected: Selected) -> str:
    return selected.made[:16].replace("T", " ") or "at an unknown time"


def _audit(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from tasks.curation.audit import read_answers, sample, write_sample
    from tasks.runtime.runs import last_fingerprints
    from tasks.runtime.workspace import Workspace

    if (args.out is None) == (args.read is None):
        raise RefusedInput("audit needs --out FILE, to write a sample, or --read FILE, to read its answers.")
    if args.read is not None:
        corpus, found = read_answers(args.read)
        rows = [{**vars(one), "precision": one.share} for one in found]
        told = [f"{args.read}: answers about select/{corpus[:10]}", *_judged(rows)]
        newest_one = last_fingerprints(Workspace.of_config(config_arguments(args).file)).get("select", corpus)
        if newest_one != corpus:
            told.append(f"The newest selection here is another, select/{newest_one[:10]}.")
        return {"file": str(args.read), "artifact": f"select/{corpus}", "steps": rows}, told
    from flows.selection import newest

    given = config_arguments(args)
    count = SAMPLE if args.n is None else args.n
    if count < 1 or given.overrides:
        wrong = f"--n {count}: expected 1 or more" if count < 1 else f"{given.overrides[0]!r} belongs to what-if"
        raise RefusedInput(f"{wrong}.")
    selected = newest(given.file)
    try:
        counts = write_sample(args.out, sample(selected.corpus, selected.clean, count))
    except OSError as error:
        raise RefusedInput(f"{args.out}: cannot be written ({error.strerror}).") from None
    lines = [
        f"{args.out}: {sum(counts.values())} documents of select/{selected.corpus.fingerprint[:10]}",
        *(f"  {step:<26} {number:>6}" for step, number in counts.items()),
        "Was it right to drop (or, of `kept`, to keep) it? Write yes or no into the column `right`, then:",
        f"  textmill select audit --read {shlex.quote(str(args.out))}",
    ]
    return {"file": str(args.out), "artifact": f"select/{selected.corpus.fingerprint}", "documents": counts}, lines


def _card(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from flows.prepare import load_checked
    from flows.selection import newest
    from tasks.runtime.corpus_card import corpus_card, read_facts

    given = config_arguments(args)
    sources = load_checked(given).config.ingest.corpus.sources
    facts = read_facts(newest(given.file).corpus, {source.name: source.licence for source in sources})
    return facts, [corpus_card(facts)]


def _judged(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f" {'step':<26} {'right':>6} {'of':>6} {'precision':>10}   95 % interval (Wilson)"
    for row in rows:
        share = "–" if row["precision"] is None else f"{row['precision']:.1%}"
        open_ = f"   {row['unjudged']} not judged" if row["unjudged"] else ""
        interval = f"{row['low']:.1%} to {row['high']:.1%}"
        yield f" {row['step']:<26} {row['right']:>6} {row['judged']:>6} {share:>10}   {interval:<18}{open_}".rstrip()
