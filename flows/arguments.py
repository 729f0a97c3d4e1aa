"""What several commands share on the command line."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.runtime.errors import RefusedInput

if TYPE_CHECKING:
    from tasks.runtime.store import Store

DEFAULT_CONFIG = "textmill.yaml"


@dataclass(frozen=True)
class ConfigArguments:
    file: Path
    overrides: tuple[str, ...]


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "items",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"the config file (default: {DEFAULT_CONFIG}) and settings that override it",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="report as JSON on standard output")


def add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workspace", type=Path, default=Path(), metavar="DIR", help="folder of the config file (default: this one)"
    )


def workspace_option(folder: Path) -> str:
    """What to add to a command so that it finds the workspace `folder` from here."""
    return "" if folder == Path() else f" --workspace {shlex.quote(str(folder))}"


def opened(args: argparse.Namespace) -> Store:
    """The store of `--workspace`.

    Raises:
        RefusedInput: nothing has run there.
    """
    from tasks.runtime.store import Store
    from tasks.runtime.workspace import Workspace

    workspace = Workspace(args.workspace.resolve())
    if not workspace.artifacts.is_dir():
        raise RefusedInput(f"{workspace.root}: nothing has run here yet. To begin: textmill run")
    return Store(workspace)


def config_arguments(args: argparse.Namespace) -> ConfigArguments:
    files = [item for item in args.items if "=" not in item]
    if len(files) > 1:
        raise RefusedInput(f"{files[1]!r}: there is one config file a run, and {files[0]!r} is it already.")
    file = Path(files[0]) if files else Path(DEFAULT_CONFIG)
    if file.is_dir():
        file = file / DEFAULT_CONFIG
    return ConfigArguments(file, tuple(item for item in args.items if "=" in item))
