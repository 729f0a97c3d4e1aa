"""Look at this machine and workspace; a bad line names its remedy.

textmill doctor
textmill doctor --verify                 hash every artifact of the workspace again
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.arguments import DEFAULT_CONFIG, add_config, add_json, config_arguments
from tasks.runtime.visible import visible

if TYPE_CHECKING:
    from tasks.runtime.workspace import Workspace

PINS = Path(__file__).parents[2] / "infra" / "constraints.txt"
GIGABYTE = 10**9
REACH_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    what: str
    good: bool
    has: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--verify", action="store_true", help="hash every artifact again; nothing remembered counts")
    parser.add_argument("--no-timing", action="store_true", help="do not time bf16 against fp32 (takes seconds)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    findings = []
    for finding in _findings(args):
        findings.append(finding)
        if not args.json:
            print(f" {'ok ' if finding.good else 'BAD'}  {finding.what:<22} {visible(finding.has)}")
            if not finding.good:
                print(f"      {'':<22} → {visible(finding.remedy)}")
    if args.json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=1))
    return 0 if all(finding.good for finding in findings) else 1


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    yield _python()
    yield _pins()
    yield _devices()
    if not args.no_timing:
        yield _precision()
    arguments = config_arguments(args)
    folder = arguments.file.resolve().parent
    yield _disk(folder)
    if not os.environ.get("PREFECT_API_URL"):
        yield _port(folder)
    yield from _addresses()
    if not arguments.file.exists():
        named = bool([item for item in args.items if "=" not in item])
        yield Finding("config", not named, f"no {arguments.file} here", f"textmill init DIR makes a {DEFAULT_CONFIG}")
        return
    yield from _workspace(args)


def _python() -> Finding:
    import platform
    import sys

    return Finding(
        "Python",
        sys.version_info >= (3, 11) and sys.platform == "linux",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Textmill needs Python 3.11 or newer on Linux.",
    )


def _pins() -> Finding:
    from importlib import metadata

    if not PINS.exists():
        return Finding("pins", True, "no constraints file beside this installation")
    wrong = []
    for line in PINS.read_text(encoding="utf-8").splitlines():
        name, equals, version = line.partition("#")[0].strip().partition("==")
        if not equals:
            continue
        try:
            installed = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed
        if installed != version:
            wrong.append(f"{name} {installed} (tested: {version})")
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Finding(
        "pins", not wrong, shown or "as tested", "install with: pip install --constraint infra/constraints.txt -e ."
    )


def _devices() -> Finding:
    from tasks.runtime.errors import RefusedInput
    from tasks.runtime.lease import devices
    from tasks.runtime.settings import Settings

    try:
        settings = Settings.from_environment()
        names = ", ".join(device.name for device in devices(settings))
    except RefusedInput as error:
        return Finding("devices", False, "settings cannot be used", str(error))
    return Finding("devices", True, f"{names}; {settings.cores} CPU cores")


def _precision() -> Finding:
    """bf16 is faster on some CPUs and slower on others: only the clock can tell."""
    import subprocess
    import sys

    program = "from tasks.training.precision import compare; compare()"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        return Finding("precision", False, "torch does not run", done.stderr.strip().splitlines()[-1])
    figures = json.loads(done.stdout)
    ratio = figures["fp32_seconds"] / figures["bf16_seconds"]
    choice = "bf16" if ratio > 1.1 else "fp32"
    return Finding("precision", True, f"bf16 is {ratio:.2f}× as fast as fp32 on {figures['device']}: choose {choice}")


def _disk(folder: Path) -> Finding:
    import shutil

    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding("disk", free > 5 * GIGABYTE, f"{free / GIGABYTE:.0f} GB free", "free 5 GB or use another folder")


def _port(folder: Path) -> Finding:
    """Where this workspace's Prefect server stands, or will."""
    from flows.operation.server import USUAL_PORT, standing
    from flows.operation.server_process import bind
    from tasks.runtime.workspace import Workspace

    if server := standing(Workspace(folder)):
        return Finding("Prefect server", True, f"this workspace's stands: {server.url}")
    with bind(USUAL_PORT) as listener:
        free = listener.getsockname()[1] == USUAL_PORT
    there = "is free" if free else "is in use by another program: another port is taken"
    return Finding("Prefect server", True, f"none stands; `run` starts one; its usual port {USUAL_PORT} {there}")


def _addresses() -> Iterator[Finding]:
    """The servers that the environment names; an address without a host, such as sqlite:///mlflow.db, is a file."""
    import socket

    from tasks.runtime.reachable import endpoint, shown

    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        address = os.environ.get(variable)
        if not address:
            continue
        remedy = f"start that server, correct {variable}, or unset it: the workspace then keeps its own"
        try:
            if (there := endpoint(address)) is not None:
                socket.create_connection(there, timeout=REACH_SECONDS).close()
        except (OSError, ValueError) as error:
            yield Finding(variable, False, f"{shown(address)} cannot be reached: {error}", remedy)
        else:
            yield Finding(variable, True, f"{shown(address)}{' can be reached' if there is not None else ''}")


def _workspace(args: argparse.Namespace) -> Iterator[Finding]:
    from flows.prepare import load_checked, plan_road
    from tasks.runtime.errors import RefusedInput

    try:
        loaded = load_checked(config_arguments(args))
        loaded.store.workspace.check_writable()
        yield Finding("config", True, f"{loaded.arguments.file}: {loaded.config.model.name}")
        plan = plan_road(loaded)
    except RefusedInput as error:
        first, _, rest = str(error).partition("\n")
        yield Finding("config and inputs", False, first, rest.strip() or "see above")
        return
    base = loaded.inputs.base
    yield Finding("base model", True, f"{loaded.config.model.model_name_or_path}, digest {base.digest[:12]}")
    yield Finding("input files", True, f"{len(loaded.inputs.corpus.files) + len(loaded.inputs.labels.files)} found")
    ready = sum(node.certain for node in plan.nodes)
    yield Finding("nodes", True, f"{ready} of {len(plan.nodes)} are reusable")
    yield from _champion(loaded.store.workspace, loaded.config.model.name)
    if args.verify:
        yield from _verify(loaded.store)


def _champion(workspace: Workspace, model: str) -> Iterator[Finding]:
    """What is in use, and whether its gates were asked and its files are whole."""
    from tasks.promotion.journal import champion_note
    from tasks.runtime.errors import TextmillError
    from tasks.runtime.mlflow_store import reported
    from tasks.runtime.registry import Registry

    try:
        with reported(workspace):
            registry = Registry.existing(workspace)
            champion = registry.aliases(model).get("champion")
            if champion is None:
                return
            version = registry.get(model, champion)
            if damage := registry.damage(version):
                again = "textmill run registers it again, as a new version"
                yield Finding("champion", False, f"{model} version {champion} is damaged: {damage[0]}", again)
            elif note := champion_note(registry, model):
                yield Finding("champion", False, note, f"textmill promote {model} {champion} judges it")
            else:
                yield Finding("champion", True, f"{model} version {champion} ({version.variant})")
    except TextmillError as error:
        if (workspace.root / "mlflow.db").is_file() or os.environ.get("MLFLOW_TRACKING_URI"):
            yield Finding("champion", False, str(error).partition("\n")[0], "see above")


def _verify(store: object) -> Iterator[Finding]:
    from tasks.runtime.artifact import MANIFEST
    from tasks.runtime.store import Store

    assert isinstance(store, Store)
    folders = sorted(path.parent for path in store.workspace.artifacts.glob(f"*/[!.]*/{MANIFEST}"))
    bad = 0
    for folder in folders:
        _, damage = store.verify(folder, afresh=True)
        if damage:
            bad += 1
            name = folder.relative_to(store.workspace.artifacts)
            yield Finding("artifact", False, f"{name}: {damage}", "textmill run makes it again")
    yield Finding("artifacts", not bad, f"{len(folders) - bad} of {len(folders)} are intact", "textmill run")
