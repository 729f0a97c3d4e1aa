"""A road of toy stages, to test the runtime with real child processes and without models."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pydantic import Field

from pipeline_config.base import NOT_IDENTITY, Section
from tasks.runtime.artifact import Artifact, InputFile, InputFiles, sha256_of
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context, stage


class Text(Artifact):
    """`text.txt`."""


class CopyConfig(Section):
    repeat: int = 1
    """How often the text is written."""
    path: str = Field(default="", json_schema_extra=NOT_IDENTITY)
    """Where it came from."""
    fail: str = ""
    """What to do instead: refuse, crash, edit (the input), noise, die, full."""
    sample: float = 1.0
    """Counts for nothing but the recipe."""
    weights: dict[str, int] = Field(default={})
    """Counts for nothing but the recipe."""


class JoinConfig(Section):
    separator: str = "+"
    """Stands between."""
    seconds: float = 0.0
    """How long to take."""
    noise: bool = False
    """Whether other bytes come out each time."""
    state: bool = False
    """Whether it says that they come from state that was fitted elsewhere."""


@stage("copy", version=1)
def copy(ctx: Context, config: CopyConfig, files: InputFiles) -> Text:
    match config.fail:
        case "refuse":
            raise RefusedInput("row 3: 'x' is no number; give a number.")
        case "crash":
            raise ZeroDivisionError("by zero")
        case "edit":
            files.files[0].path.write_text("edited by somebody else")
        case "die":
            os.kill(os.getpid(), 9)
        case "full":
            raise OSError(28, "No space left on device", "x.bin")
    if config.fail == "noise":
        (ctx.out / "noise.txt").write_text(str(time.time_ns()))
    text = "".join(file.path.read_text() for file in files.files) * config.repeat
    (ctx.out / "text.txt").write_text(text)
    ctx.log("loss", 0.5, 1)
    ctx.measured("rate", 10.0)
    return ctx.finish(Text, metrics={"length": len(text)})


@stage("join", version=1, gpus=1, incremental=True)
def join(ctx: Context, config: JoinConfig, one: Text, others: dict[str, Text]) -> Text:
    (ctx.work / "started").write_text(str(os.getpid()))
    ctx.measured("earlier", float(ctx.earlier is not None))
    for second in range(round(config.seconds * 20)):
        ctx.progress(second, config.seconds * 20, "ticks")
        time.sleep(0.05)
    texts = [(artifact.path / "text.txt").read_text() for artifact in (one, *others.values())]
    tail = str(time.time_ns()) if config.noise else ""
    (ctx.out / "text.txt").write_text(config.separator.join(texts) + tail)
    return ctx.finish(Text, metrics={"lineage": {"fitted_in": tail}} if config.state else {})


def input_files(*paths: Path) -> InputFiles:
    files = tuple(InputFile(name=p.name, path=p, sha256=sha256_of(p), size=p.stat().st_size) for p in paths)
    digest = "-".join(file.sha256 for file in files)
    return InputFiles(node="files:toy", fingerprint=digest, digest=digest, files=files)
