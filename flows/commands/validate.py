"""Check a config and show it resolved, every default filled in.

textmill validate
textmill validate finetune.learning_rate=3e-5 --section finetune
"""

from __future__ import annotations

import argparse

from flows.arguments import add_config, add_json, config_arguments
from tasks.runtime.errors import RefusedInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--section", metavar="NAME", help="show the settings of one section, with what they mean")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of a config file")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    import json

    from pipeline_config.load import settings
    from pipeline_config.pipeline import PipelineConfig

    if args.schema:
        print(json.dumps(PipelineConfig.model_json_schema(), indent=1))
        return 0
    if args.section and args.section not in PipelineConfig.model_fields:
        raise RefusedInput(f"{args.section!r} is no section. The sections: {', '.join(PipelineConfig.model_fields)}")
    if args.section and not args.items:
        for name, field in settings(PipelineConfig).items():
            if name == args.section or name.startswith(f"{args.section}."):
                default = "" if field.is_required() else f" = {_plain(field.get_default(call_default_factory=True))}"
                print(f"{name}{default}\n    {' '.join((field.description or '').split())}")
        return 0

    import yaml

    from flows.prepare import load_checked

    config = load_checked(config_arguments(args)).config
    plain = config.model_dump(mode="json")
    if args.section:
        plain = {args.section: plain[args.section]}
    print(json.dumps(plain, indent=1) if args.json else yaml.safe_dump(plain, sort_keys=False, width=100).rstrip())
    return 0


def _plain(value: object) -> object:
    from pydantic import BaseModel

    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
