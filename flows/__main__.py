"""Textmill turns raw domain text and a few labels into a small, promoted model."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType

COMMANDS = (
    *("init", "doctor", "validate", "plan", "run", "show", "compare", "report", "select"),
    *("predict", "promote", "rollback", "clean", "server"),
)
EPILOG = """\
textmill COMMAND --help shows its options and examples.
exit codes: 0 done, 1 a stage failed, 2 usage or refused input,
            3 a gate refused, 130 stopped by Ctrl-C

examples:
  textmill init my-model --preset cloud-security
  textmill plan my-model
  textmill run my-model
"""
STOPPED = 130  # what shells report for a program that Ctrl-C ended


# Before any library is imported: each would write an identifier into the home folder, or call its maker.
for _variable in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "ORT_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "true")


def main(argv: Sequence[str] | None = None) -> int:
    args, unknown = make_parser().parse_known_args(argv)
    if "items" in args and not any(word.startswith("-") for word in unknown):
        args.items += unknown  # words behind an option: argparse reads them intermixed only without subcommands
    elif unknown:
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return _guarded(_command(args.command), args)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textmill", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=_Version())
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = _command(name)
        summary, *paragraphs = (module.__doc__ or "").strip().split("\n\n")
        examples = [part for part in paragraphs if part.startswith("textmill ")]
        prose = [textwrap.fill(" ".join(part.split()), 80) for part in (summary, *paragraphs) if part not in examples]
        command = commands.add_parser(
            name,
            help=summary.rstrip("."),
            description="\n\n".join(prose),
            epilog="examples:\n" + textwrap.indent("\n".join(examples), "  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(parser=command)
    return parser


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"flows.commands.{name}")


def _guarded(command: ModuleType, args: argparse.Namespace) -> int:
    """Run a command; a person's mistake becomes a sentence and an exit code, never a trace."""
    from tasks.runtime.errors import TextmillError, full_disk
    from tasks.runtime.visible import visible

    try:
        return int(command.run(args))
    except TextmillError as error:
        print(_folded(f"textmill: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ntextmill: stopped. What is done is kept; the same command goes on from there.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()  # who read our output has gone; nobody is left to tell
        return 0
    except Exception as error:
        if full := full_disk(error):
            print(f"textmill: {full}", file=sys.stderr)
        elif told := _of_mlflow(error):
            print(visible(f"textmill: {told}"), file=sys.stderr)
        elif isinstance(error, OSError):
            place = visible(str(error.filename or ""))
            print(f"textmill: {error.strerror}: {place} ({type(error).__name__})", file=sys.stderr)
        else:
            raise
        return 1


def _folded(message: str) -> str:
    """On a terminal, lines of at most 100 columns; a command at the end of a line stays whole, so it can be copied.

    Elsewhere a sentence stays on its line.
    """
    if not sys.stderr.isatty():
        return message
    from flows.plain_lines import WIDTH

    width = min(WIDTH, shutil.get_terminal_size().columns)
    lines = []
    for line in message.splitlines():
        sentence, command = re.fullmatch(r"(.*?)((?<=: )textmill .*)?", line).groups()  # type: ignore[union-attr]  # matches any line
        parts = textwrap.wrap(
            sentence, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        ) or [""]
        if command and len(parts[-1]) + 1 + len(command) > width:
            parts.append(f"  {command}")
        elif command:
            parts[-1] += f" {command}"
        lines += parts
    return "\n".join(lines)


def _of_mlflow(error: BaseException) -> str:
    """A sentence if MLflow's store did not answer, or did not do what it was asked."""
    if "mlflow" not in sys.modules:  # a second to import
        return ""
    from tasks.runtime.mlflow_store import mlflow_errors, not_done
    from tasks.runtime.reachable import shown

    store = shown(os.environ.get("MLFLOW_TRACKING_URI") or "mlflow.db")
    return str(not_done(store, error)) if isinstance(error, mlflow_errors()) else ""


class _Version(str):
    """Looked up only when it is asked for: it costs a tenth of a second."""

    def __mod__(self, _: object) -> str:
        return str(self)

    def __str__(self) -> str:
        from importlib.metadata import version

        return f"textmill {version('textmill')}"


if __name__ == "__main__":
    sys.exit(main())
