"""From what the configuration says to a sorted list of files with stable names and digests."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pipeline_config.ingest import (
    Arrow,
    AutoFormat,
    ConcreteFormat,
    Csv,
    Eml,
    Html,
    Json,
    JsonLines,
    Mbox,
    Parquet,
    PlainText,
    Source,
)
from tasks.runtime.artifact import InputFile, InputFiles
from tasks.runtime.errors import RefusedInput

SUFFIXES: dict[str, ConcreteFormat] = {
    ".txt": PlainText(kind="text"),
    ".md": PlainText(kind="text"),
    ".html": Html(kind="html"),
    ".htm": Html(kind="html"),
    ".eml": Eml(kind="eml"),
    ".mbox": Mbox(kind="mbox"),
    ".jsonl": JsonLines(kind="jsonl"),
    ".ndjson": JsonLines(kind="jsonl"),
    ".json": Json(kind="json"),
    ".csv": Csv(kind="csv"),
    ".tsv": Csv(kind="csv", delimiter="\t"),
    ".parquet": Parquet(kind="parquet"),
    ".arrow": Arrow(kind="arrow"),
}
PACKED = (".gz", ".zst")
PACKAGE = "package:"
_UNDECODED = re.compile("[\udc80-\udcff]")  # a byte of a name that is not UTF-8, as Python writes it (PEP 383)


def resolve(
    node: str, sources: Sequence[Source], workspace: Path, hash_file: Callable[[Path], tuple[str, int]]
) -> InputFiles:
    """The files of `sources`, sorted by source and name; `hash_file` gives (sha256 in hex, size in bytes).

    `node` is the name that the input bears among the nodes, such as `files:ingest.corpus`. The fingerprint is over
    source names, file names and contents, so that a moved workspace is the same input.

    Raises:
        RefusedInput: nothing is there, a package is not installed, a format is not known from a suffix, or a name is
            not UTF-8.
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
    unpacked = PurePosixPath(name).stem if name.endswith(PACKED) else name
    suffix = PurePosixPath(unpacked).suffix.lower()
    if suffix not in SUFFIXES:
        raise RefusedInput(
            f"{name} (source {source.name!r}): the suffix {suffix!r} names no format; expected one of "
            f"{', '.join(SUFFIXES)}. Set the source's format, or leave such files out: exclude: ['*{suffix}']."
        )
    return SUFFIXES[suffix]


@dataclass(frozen=True)
class _Entry:
    """The files of one configured path, by name."""

    path: str
    files: dict[str, Path]
    above: tuple[str, ...] = ()
    """Folders over the names, outermost first; none within the workspace, where names are unique as they are."""

    def named(self, folders: int) -> dict[str, Path]:
        """The files with so many `folders` before their names."""
        prefix = "".join(f"{part}/" for part in self.above[len(self.above) - folders :])
        return {prefix + name: file for name, file in self.files.items()}


def _files_of(source: Source, workspace: Path) -> dict[str, Path]:
    """Stable name to path."""
    entries = []
    for path in source.path:
        entry = _expand(source, path, workspace)
        kept = {name: file for name, file in entry.files.items() if not _excluded(name, source.exclude)}
        if not kept:
            why = f"all {len(entry.files)} files are excluded" if entry.files else "there is no such file, and no match"
            raise RefusedInput(
                f"path {path!r} (source {source.name!r}): {why}. Expected a file, a folder with files, or a glob; "
                f"relative paths start from {workspace}."
            )
        _refuse_names_of_no_text(source, kept)
        entries.append(replace(entry, files=kept))
    found = _once(_unique(source, entries))
    for name in found:
        format_of(source, name)
    return found


def _refuse_names_of_no_text(source: Source, names: Collection[str]) -> None:
    """Names of files enter fingerprints, metadata and pages, all of which are UTF-8."""
    wrong = sorted(name for name in names if _UNDECODED.search(name))
    if wrong:
        more = f" (so are those of {len(wrong) - 1} other files)" if len(wrong) > 1 else ""
        shown = wrong[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise RefusedInput(
            f"{shown} (source {source.name!r}): its name is not valid UTF-8{more}. Rename it, or leave it out: "
            f"exclude: ['{_UNDECODED.sub('?', glob.escape(wrong[0]))}']."
        )


def _unique(source: Source, entries: list[_Entry]) -> dict[str, Path]:
    """All files by name. Where two files would have one name, the names of their paths grow by parent folders."""
    folders = [0] * len(entries)
    while True:
        found: dict[str, Path] = {}
        owners: dict[str, list[int]] = {}
        clashes: dict[str, Path] = {}
        for index, entry in enumerate(entries):
            for name, file in entry.named(folders[index]).items():
                owners.setdefault(name, []).append(index)
                if found.setdefault(name, file) != file:
                    clashes[name] = file
        if not clashes:
            return found
        clashing = {index for name in clashes for index in owners[name]}
        growing = [index for index in clashing if folders[index] < len(entries[index].above)]
        if not growing:
            name, file = next(iter(clashes.items()))
            raise RefusedInput(
                f"{found[name]} and {file} (source {source.name!r}) would both be called {name!r}. Make them two "
                "sources, or move one of them."
            )
        for index in growing:
            folders[index] += 1


def _once(found: dict[str, Path]) -> dict[str, Path]:
    """A file that links give several names is read once: under its own, if that is among them, or the first."""
    names: dict[str, str] = {}  # by where the file lies
    for name, path in sorted(found.items()):
        lies = os.path.realpath(path)
        if lies not in names or (lies.endswith(f"/{name}") and not lies.endswith(f"/{names[lies]}")):
            names[lies] = name
    return {name: found[name] for name in names.values()}


def _expand(source: Source, path: str, workspace: Path) -> _Entry:
    if path.startswith(PACKAGE):
        package, _, rest = path.removeprefix(PACKAGE).partition("/")
        base, prefix = _package_folder(package, source), f"{PACKAGE}{package}/"
        return _Entry(path, {prefix + name: file for name, file in _below(base, rest or ".").items()})
    whole = Path(path).expanduser()
    if not whole.is_absolute() or whole.is_relative_to(workspace):
        relative = whole.relative_to(workspace) if whole.is_absolute() else whole
        return _Entry(path, _below(workspace, str(relative)))
    # Outside of the workspace a name starts at the last folder before the first wildcard, wherever that folder lies.
    parts = whole.parts
    wildcard = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base = Path(*parts[: max(1, wildcard - 1)])
    return _Entry(path, _below(base, str(whole.relative_to(base))), base.parts[1:])


def _below(base: Path, pattern: str) -> dict[str, Path]:
    """Files that a path or glob below `base` stands for, by POSIX name relative to `base`."""
    path = base / pattern
    if path.is_dir():
        return {file.relative_to(base).as_posix(): file for file in _files_in(path)}
    if path.exists():
        return {PurePosixPath(pattern).as_posix(): path}
    return {name: base / name for name in _matches(base, pattern)}


def _matches(base: Path, pattern: str) -> list[str]:
    """The visible files that a glob means; folders below are listed once each, only as deep as need be.

    A link to a folder that it lies within leads nowhere new and is not followed.
    """
    parts = PurePosixPath(pattern).parts
    wildcard = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    root = "/".join(parts[:wildcard])
    depth = None if "**" in parts else len(parts) - wildcard - 1
    expression = re.compile("".join(_translated(part) for part in [*(f"{p}/" for p in parts[wildcard:-1]), parts[-1]]))
    found = []
    top = str(base / root)
    lies = os.path.realpath(top)
    trails = {top: {lies, *map(str, Path(lies).parents)}}  # where each folder lies, and those that led to it
    for folder, folders, names in os.walk(top, followlinks=True):
        trail = trails.pop(folder)
        below = folder[len(top) :].lstrip("/")
        level = below.count("/") + 1 if below else 0
        shown = [name for name in folders if not name.startswith(".")]
        inner = {name: os.path.realpath(f"{folder}/{name}") for name in shown}
        folders[:] = [] if level == depth else [name for name, lies in inner.items() if lies not in trail]
        trails |= {f"{folder.rstrip('/')}/{name}": {*trail, inner[name]} for name in folders}
        if depth is None or level == depth:
            prefix = f"{below}/" if below else ""
            visible = [prefix + name for name in names if not name.startswith(".")]
            found += [f"{root}/{name}" if root else name for name in visible if expression.fullmatch(name)]
    return found


def _translated(part: str) -> str:
    """One part of a glob as a regular expression; folders end in a slash."""
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    pieces = re.split(r"(\*|\?|\[!?[^\]]+\])", part)
    return "".join(
        known.get(piece) or (piece.replace("[!", "[^", 1) if piece.startswith("[") else re.escape(piece))
        for piece in pieces
    )


def _files_in(folder: Path) -> list[Path]:
    """All visible files below a folder; of a dataset on disk the data files alone."""
    files = [folder / name for name in _matches(folder, "**")]
    states = {file.parent: _data_files(file) for file in files if file.name == "state.json"}
    of_datasets = {file for file in files if states.get(file.parent) or file.name == "dataset_dict.json"}
    data = {parent / name for parent, names in states.items() for name in names}
    if absent := sorted(data - set(files)):
        raise RefusedInput(
            f"{absent[0]} is missing: state.json beside it lists it among the files of the dataset. Write the dataset "
            "again with save_to_disk."
        )
    return [file for file in files if file not in of_datasets or file in data]


def _data_files(state: Path) -> list[str]:
    try:
        content = json.loads(state.read_bytes())
        return [entry["filename"] for entry in content["_data_files"]]
    except (ValueError, TypeError, KeyError):  # a state.json of somebody else
        return []


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
