"""Check a config and show it whole, every default filled in.

textmill validate
textmill validate finetune.learning_rate=3e-5 --section finetune
textmill validate --explain finetune
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.arguments import add_config, add_json, config_arguments
from tasks.runtime.errors import RefusedInput

if TYPE_CHECKING:
    from pipeline_config.pipeline import PipelineConfig

WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--section", metavar="NAME", help="show one section of the config")
    shown.add_argument("--explain", metavar="NAME", help="say what the settings of a section mean; needs no config")
    shown.add_argument("--schema", action="store_true", help="print the JSON schema of a config file; needs no config")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    import json

    from pipeline_config.pipeline import PipelineConfig

    if args.schema:
        print(json.dumps(PipelineConfig.model_json_schema(), indent=1))
        return 0
    section = args.section or args.explain
    if section and section not in PipelineConfig.model_fields:
        raise RefusedInput(f"{section!r} is no section. The sections: {', '.join(PipelineConfig.model_fields)}")
    if args.explain:
        print("\n".join(explained(args.explain)))
        return 0

    import yaml

    from flows.prepare import check_devices, load_checked

    config = load_checked(config_arguments(args)).config
    check_devices(config)
    plain = config.model_dump(mode="json")
    if args.section:
        plain = {args.section: plain[args.section]}
    for line in advice(config):
        print(line, file=sys.stderr)
    print(json.dumps(plain, indent=1) if args.json else yaml.safe_dump(plain, sort_keys=False, width=WIDTH).rstrip())
    return 0


def advice(config: PipelineConfig) -> Iterator[str]:
    """What is allowed, and could be better."""
    from tasks.dedup.bands import bands_of

    yield from _unmasked_columns(config)
    own = {edit.kind for edit in config.ingest.labels.redact}
    bare = [edit.kind for edit in config.clean.edits if edit.kind in ("pii", "secrets") and edit.kind not in own]
    if bare:
        yield (
            f"advice: clean.edits has {' and '.join(bare)} for the corpus alone; labelled texts go into training, "
            "report and model card as they are. To have them masked as well: ingest.labels.redact="
            f"[{', '.join(f'{{kind: {kind}}}' for kind in bare)}]"
        )
    near = config.select.near_duplicates
    if near is None:
        return
    permutations = config.measure.signature.permutations
    found = bands_of(near, permutations).recall(near.threshold)
    if found < near.recall:
        auto = bands_of(near.model_copy(update={"bands": "auto"}), permutations)
        yield (
            f"advice: select.near_duplicates.bands={near.bands} finds {found:.1%} of the pairs at Jaccard "
            f"{near.threshold:g}; bands=auto ({auto.bands} × {auto.rows}) finds {auto.recall(near.threshold):.1%}."
        )


def _unmasked_columns(config: PipelineConfig) -> Iterator[str]:
    """What goes along with texts that are masked."""
    corpus, labels = config.ingest.corpus, config.ingest.labels
    for place, edits, columns in (
        ("corpus", config.clean.edits, {one.name: (*one.id, *one.metadata) for one in corpus.sources}),
        ("labels", labels.redact, {one.name: one.id for one in labels.sources}),
    ):
        kinds = [edit.kind for edit in edits if edit.kind in ("pii", "secrets")]
        named = "; ".join(f"{source} ({', '.join(taken)})" for source, taken in columns.items() if taken)
        if kinds and named:
            yield (
                f"advice: {' and '.join(kinds)}: only texts are masked; columns that ingest.{place} takes along as id "
                f"or metadata stay as they are: {named}. Leave out those that name people."
            )


def explained(section: str) -> Iterator[str]:
    """The settings of a section as lines for the terminal."""
    import textwrap

    from pipeline_config.described import REQUIRED, described

    def wrapped(text: str, indent: int) -> list[str]:
        return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)

    for number, group in enumerate(described((section,))):
        if number:
            yield ""
        yield group.place
        yield from wrapped(group.about, 2)
        for one in group.settings:
            if not one.name:
                yield from wrapped(f"kind {one.kind}: {one.meaning}", 2)
                continue
            indent = 4 if one.kind else 2
            default = f" ({REQUIRED})" if one.default == REQUIRED else f" = {one.default}" if one.default else ""
            yield from wrapped(f"{one.name}{default}    {one.type.replace('`', '')}", indent)
            yield from wrapped(one.meaning, indent + 4)
