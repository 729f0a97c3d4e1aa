"""From what the configuration says to a sorted list of files with stable names and digests."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from pipeline_config.ingest import Arrow, AutoFormat, ConcreteFormat, Csv, Json, JsonLines, Parquet, PlainText, Source
from tasks.runtime.artifact import InputFile, InputFiles
from tasks.runtime.errors import RefusedInput

SUFFIXES: dict[str, ConcreteFormat] = {
    ".txt": PlainText(kind="text"),
    ".md": PlainText(kind="text"),
    ".jsonl": JsonLines(kind="jsonl"),
    ".ndjson": JsonLines(kind="jsonl"),
    ".json": Json(kind="json"),
    ".csv": Csv(kind="csv"),
    ".tsv": Csv(kind="csv", delimiter="\t"),
    ".parquet": Parquet(kind="parquet"),
    ".arrow": Arrow(kind="arrow"),
}
PACKAGE = "package:"


def resolve(
    node: str, sources: Sequence[Source], workspace: Path, hash_file: Callable[[Path], tuple[str, int]]
) -> InputFiles:
    """The files of `sources`, sorted by source and name; `hash_file` gives (sha256 in hex, size in bytes).

    `node` is the name that the input bears among the nodes, such as `files:ingest.corpus`. The fingerprint is over
    source names, file names and contents, so that a moved workspace is the same input.

    Raises:
        RefusedInput: nothing is there, a package is not installed, or a format is not known from a suffix.
    """
    files: list[InputFile] = []
    names: list[str] = []
    for source in sources:
        for name, path in sorted(_files_of(source, workspace).items()):
            try:
                sha256, size = hash_file(path)
            except OSError as error:
                raise RefusedInput(f"{name} (source {source.name!r}): cannot be read: {error.strerror}.") from None
            files.append(InputFile(name=name, path=path, sha256=sha256, size=size))
            names.append(source.name)
    recipe = [[source, file.name, file.sha256] for source, file in zip(names, files, strict=True)]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    return InputFiles(node=node, fingerprint=digest, digest=digest, files=tuple(files), sources=tuple(names))


def format_of(source: Source, name: str) -> ConcreteFormat:
    """The format of one file of a source.

    Raises:
        RefusedInput: `auto`, and the suffix says nothing.
    """
    if not isinstance(source.format, AutoFormat):
        return source.format
    suffix = PurePosixPath(name.removesuffix(".gz")).suffix.lower()
    if suffix not in SUFFIXES:
        raise RefusedInput(
            f"{name} (source {source.name!r}): the suffix {suffix!r} names no format; expected one of "
            f"{', '.join(SUFFIXES)}. Set the source's format, or leave such files out: exclude: ['*{suffix}']."
        )
    return SUFFIXES[suffix]


def _files_of(source: Source, workspace: Path) -> dict[str, Path]:
    """Stable name to path."""
    found: dict[str, Path] = {}
    for path in source.path:
        matched = _expand(source, path, workspace)
        kept = {name: file for name, file in matched.items() if not _excluded(name, source.exclude)}
        if not kept:
            why = f"all {len(matched)} files are excluded" if matched else "there is no such file, and no match"
            raise RefusedInput(
                f"path {path!r} (source {source.name!r}): {why}. Expected a file, a folder with files, or a glob; "
                f"relative paths start from {workspace}."
            )
        found |= kept
    for name in found:
        format_of(source, name)
    return found


def _expand(source: Source, path: str, workspace: Path) -> dict[str, Path]:
    if path.startswith(PACKAGE):
        package, _, rest = path.removeprefix(PACKAGE).partition("/")
        base, prefix = _package_folder(package, source), f"{PACKAGE}{package}/"
        return {prefix + name: file for name, file in _below(base, rest or ".").items()}
    whole = Path(path).expanduser()
    if not whole.is_absolute() or whole.is_relative_to(workspace):
        relative = whole.relative_to(workspace) if whole.is_absolute() else whole
        return _below(workspace, str(relative))
    # Outside of the workspace a name starts at the last folder before the first wildcard, wherever that folder lies.
    parts = whole.parts
    wildcard = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base = Path(*parts[: max(1, wildcard - 1)])
    return _below(base, str(whole.relative_to(base)))


def _below(base: Path, pattern: str) -> dict[str, Path]:
    """Files that a path or glob below `base` stands for, by POSIX name relative to `base`."""
    found: dict[str, Path] = {}
    literal = (base / pattern).exists()
    matches = [pattern] if literal else glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 (`Path.glob` finds hidden files)
    for match in matches:
        path = base / match
        if path.is_dir():
            if literal:
                found |= {file.relative_to(base).as_posix(): file for file in _files_in(path)}
        elif literal or not _hidden(match):
            found[PurePosixPath(match).as_posix()] = path
    return found


def _files_in(folder: Path) -> list[Path]:
    """All files below a folder; of a dataset on disk the data files alone."""
    files = []
    for state in sorted(folder.rglob("state.json")):
        listed = _data_files(state)
        files += [state.parent / name for name in listed]
    datasets = {file.parent for file in files}
    for file in sorted(folder.rglob("*")):
        described = file.parent in datasets or file.name == "dataset_dict.json"
        if file.is_file() and not described and not _hidden(file.relative_to(folder).as_posix()):
            files.append(file)
    return files


def _data_files(state: Path) -> list[str]:
    try:
        content = json.loads(state.read_bytes())
        return [entry["filename"] for entry in content["_data_files"]]
    except (ValueError, TypeError, KeyError):  # a state.json of somebody else
        return []


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(name).parts)


def _excluded(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, item) or fnmatch.fnmatchcase(PurePosixPath(name).name, item) for item in globs)


def _package_folder(package: str, source: Source) -> Path:
    """The folder of an installed package, which is found but never imported."""
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise RefusedInput(
            f"package {package!r} (source {source.name!r}) is not installed in this environment. Install it, "
            "or point the source's path at the files themselves."
        )
    return Path(next(iter(spec.submodule_search_locations)))
