"""Label texts with a registered model.

textmill predict cloud-security --text "Bucket policy allows anonymous reads"
textmill predict cloud-security@challenger --file findings.csv --out labelled.jsonl

Every row of the file gives one line of JSON, in its order: the row with its label and score (the
probability of the label), or its line and what is wrong with it. A `label` or `score` that a row had
becomes `label_given`, `score_given`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from flows.arguments import add_json, add_workspace
from tasks.runtime.errors import RefusedInput
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from flows.rows import Row

CHUNK = 512
TOLD = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="MODEL, MODEL@alias or MODEL/version (default: its champion)")
    texts = parser.add_mutually_exclusive_group(required=True)
    texts.add_argument("--text", action="append", metavar="TEXT", help="a text; may be given several times")
    texts.add_argument("--file", type=Path, metavar="FILE", help=".jsonl or .csv with a column `text`, or .txt")
    parser.add_argument("--column", default="text", metavar="NAME", help="the column of the texts (default: text)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the lines of JSON go (default: the screen)")
    add_workspace(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from flows.rows import read_rows, row_of
    from tasks.runtime.registry import Registry
    from tasks.runtime.workspace import Workspace

    if args.file is None and args.out is not None:
        raise RefusedInput("--out goes with --file; a --text is answered on the screen.")
    if args.file is not None:  # what can be refused is refused before anything slow
        rows = read_rows(args.file, args.column)
    else:
        rows = iter([row_of(number, {"text": text}, "text") for number, text in enumerate(args.text, 1)])
    if args.out is not None and not args.out.parent.is_dir():
        raise RefusedInput(f"--out {args.out}: there is no folder {args.out.parent}.")

    registry = Registry.existing(Workspace(args.workspace.resolve()))
    version = registry.resolve(args.model)
    registry.check_intact(version)
    classifier = _load(registry.folder(version), version.variant)
    answers = _answers(rows, classifier)
    if args.text or (args.json and args.out is None):
        _show(list(answers), f"{version.model} version {version.version}", as_json=args.json)
        return 0
    if args.out is None:
        _write(answers, sys.stdout, args.file)
        return 0
    partial = args.out.with_name(f".{args.out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            done, bad = _write(answers, out, args.file)
        partial.replace(args.out)
    finally:
        partial.unlink(missing_ok=True)
    if args.json:
        report = {"model": version.model, "version": version.version, "labelled": done, "not_labelled": bad}
        print(json.dumps(report | {"out": str(args.out)}, indent=1))
    else:
        print(f"{args.out}: {done} labelled by {version.model} version {version.version}, {bad} not")
    return 0


def _load(folder: Path, variant: str) -> Any:
    """Something with `predict(texts)` that yields (label, score) pairs."""
    if (folder / "model.onnx").is_file():
        from tasks.promotion.pyfunc_onnx import Classifier as OnnxClassifier

        return OnnxClassifier(folder)
    if (folder / "textmill.json").is_file():
        from tasks.modelling.encoder import quiet
        from tasks.promotion.pyfunc_torch import Classifier as TorchClassifier

        with quiet():
            return TorchClassifier(folder)
    raise RefusedInput(f"variant {variant!r} does not label texts: choose a version of the task model.")


def _answers(rows: Iterator[Row], classifier: Any) -> Iterator[dict[str, Any]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield from _label(chunk, classifier)
            chunk = []
    yield from _label(chunk, classifier)


def _label(rows: Sequence[Row], classifier: Any) -> Iterator[dict[str, Any]]:
    found = iter(classifier.predict([row.text for row in rows if not row.problem]))
    for row in rows:
        if row.problem:
            yield {"line": row.line, "error": row.problem}
        else:
            label, score = next(found)
            given = {
                f"{name}_given" if name in ("label", "score") else name: value for name, value in row.fields.items()
            }
            yield {**given, "label": label, "score": round(score, 6)}


def _write(answers: Iterator[dict[str, Any]], out: TextIO, file: Path) -> tuple[int, int]:
    """Write the answers; tell the first bad rows. Return how many rows got a label, and how many did not."""
    done = bad = 0
    for answer in answers:
        if "error" in answer:
            bad += 1
            if bad <= TOLD:
                print(f"textmill: {file}, line {answer['line']}: {answer['error']}", file=sys.stderr)
        else:
            done += 1
        out.write(json.dumps(answer, ensure_ascii=False) + "\n")
    if bad > TOLD:
        print(f"textmill: {file}: {bad - TOLD} more rows without a label; the output names them", file=sys.stderr)
    return done, bad


def _show(answers: list[dict[str, Any]], model: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"model": model, "predictions": answers}, indent=1, ensure_ascii=False))
        return
    width = max(len(answer.get("label", "")) for answer in answers)
    for answer in answers:
        if "error" in answer:
            print(f" --text {answer['line']}: {answer['error']}")
        else:
            text = visible(" ".join(answer["text"].split()))
            shown = text if len(text) <= 85 - width else text[: 84 - width] + "…"
            print(f" {visible(answer['label']):<{width}}  {answer['score']:5.1%}  {shown}")
