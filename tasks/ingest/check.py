"""What must be refused before any stage runs, said with file, line and remedy.

Labelled files are read as a whole, and so are sources of raw text whose documents have ids of their own; of other raw
text only as much as shows that columns and text are there.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from pipeline_config.ingest import (
    Arrow,
    Csv,
    GivenSplit,
    Html,
    LabelsConfig,
    LabelSource,
    Parquet,
    PlainText,
    Source,
    TextConfig,
)
from tasks.ingest.labelled_data import SPLITS, Example
from tasks.ingest.labels import read, split_number, wanted
from tasks.ingest.readers import columnar, delimited
from tasks.ingest.readers.record import Record, Unreadable
from tasks.ingest.readers.unpacked import opened
from tasks.ingest.resolve import format_of
from tasks.ingest.rows import Row, by_source, cells, records, rows
from tasks.runtime.artifact import InputFile, InputFiles
from tasks.runtime.errors import RefusedInput

_HEAD = 1000  # records of a file of raw text

_Id = tuple[str, int, str | None]
"""File, line, external id."""


def check_text(config: TextConfig, files: InputFiles) -> None:
    """Look at the heads of raw text, and at all ids.

    Raises:
        RefusedInput: an empty file, a missing column, no text at all, or one external id twice.
        StageFailed: a compressed or columnar file is damaged where it was looked at.
    """
    for source in config.sources:
        own = [file for named, file in by_source(config.sources, files) if named.name == source.name]
        _refuse_empty_files(source, own)
        _refuse_missing_columns(source, own, _columns(source))
        _refuse_no_text(source, own)
        if source.id:
            _refuse_repeated_ids(partial(_ids, source, own))


def check_labels(config: LabelsConfig, files: InputFiles) -> None:
    """Read labelled data as the stage will.

    Raises:
        RefusedInput: as `check_text`, and: a label that stands nowhere in keep or drop, one class only, a label seen
            once, a label without training examples, an unknown split, no training or test examples.
        StageFailed: a compressed or columnar file is damaged.
    """
    for source in config.sources:
        own = [file for named, file in by_source(config.sources, files) if named.name == source.name]
        _refuse_empty_files(source, own)
        for file in own:
            if file.size == 0:
                raise RefusedInput(f"{file.name} (source {source.name!r}) is empty; expected labelled examples.")
            if isinstance(format_of(source, file.name), PlainText | Html):
                raise RefusedInput(
                    f"{file.name} (source {source.name!r}) is text alone, which has no column for the label; "
                    "expected .jsonl, .json, .csv, .tsv, .parquet or .arrow."
                )
        _refuse_missing_columns(source, own, _columns(source))
    examples, bad = read(config, files)
    if not examples:
        worst = Counter(item.reason for _, _, item in bad).most_common(1)
        raise RefusedInput(
            f"{_names(files.files)}: no text at all among {len(bad)} rows"
            + (f"; most often: {worst[0][0]}." if worst else ".")
            + " Expected rows with a text and a label; see ingest.labels.sources: text, label, format."
        )
    for source in config.sources:
        of_source = [example for example in examples if example.source == source.name]
        _refuse_repeated_ids(partial(map, _id_of_example, of_source))
    _refuse_labels(config, examples)


def _refuse_labels(config: LabelsConfig, examples: list[Example]) -> None:
    counts = Counter(example.label for example in examples if example.label is not None)
    for field, names in (("keep", config.keep), ("drop", config.drop)):
        for name in names:
            if name not in counts:
                raise RefusedInput(
                    f"ingest.labels.{field} names {name!r}, which is no label of the data.{_nearest(name, counts)}"
                )
    labels = wanted(config, examples)
    if len(labels) < 2:
        raise RefusedInput(
            f"{_seen(labels)} after ingest.labels.keep, drop and min_label_count={config.min_label_count}; expected "
            f"two labels or more. The data hold {len(counts)}: {_counted(counts)}."
        )
    first = {example.label: example for example in reversed(examples)}
    for label in sorted(labels):
        if counts[label] == 1:
            example = first[label]
            once = sorted(name for name in labels if counts[name] == 1)
            raise RefusedInput(
                f"{example.file}, line {example.line}: label {label!r} stands on one row only"
                + (f" (as do {len(once) - 1} other labels)" if len(once) > 1 else "")
                + "; it cannot be both learnt and tested. Give it more rows, or leave such labels out: "
                "ingest.labels.min_label_count: 2."
            )
    if isinstance(config.split, GivenSplit):
        _refuse_given_split([example for example in examples if example.label in labels])


def _refuse_given_split(examples: list[Example]) -> None:
    parts = [split_number(example) for example in examples]
    for number in (0, 2):
        if number not in parts:
            raise RefusedInput(
                f"no example of the {SPLITS[number]} split (there are {len(parts)} in all); expected train and test. "
                "Name them in split_column, or let the split be made: ingest.labels.split: {kind: made}."
            )
    trained = {example.label for example, number in zip(examples, parts, strict=True) if number == 0}
    for example, number in zip(examples, parts, strict=True):
        if example.label not in trained:
            raise RefusedInput(
                f"{example.file}, line {example.line}: label {example.label!r} stands only in the {SPLITS[number]} "
                "split; a model cannot learn it.\n"
                f"  Give it training rows, or leave it out: ingest.labels.drop: [{example.label}]"
            )


def _refuse_empty_files(source: Source, files: Sequence[InputFile]) -> None:
    named = [file for file in files if file.size == 0 and file.name in source.path]
    if named or all(file.size == 0 for file in files):
        which = named[0].name if named else _names(files)
        raise RefusedInput(f"{which} (source {source.name!r}) is empty; expected text. Fill it, or leave it out.")


def _columns(source: Source) -> list[tuple[str, str]]:
    """The columns that a source names, as (setting, column)."""
    found = [("text", column) for column in source.text]
    found += [("id", column) for column in source.id]
    found += [("metadata", column) for column in source.metadata]
    if isinstance(source, LabelSource):
        found.append(("label", source.label))
        found += [("group", source.group)] if source.group else []
        found += [("split_column", source.split_column)] if source.split_column else []
    return found


def _refuse_missing_columns(source: Source, files: Sequence[InputFile], wanted_columns: list[tuple[str, str]]) -> None:
    missing = dict.fromkeys(wanted_columns)
    seen: dict[str, None] = {}  # names of columns, in the order met
    example = ""
    for file in files:
        names = _header(source, file)
        if names is None:
            if not missing:
                continue
            for record in _objects(source, file):
                example = example or file.name
                seen |= dict.fromkeys(record)
                missing = {item: None for item in missing if not cells(record, item[1])}
        elif names:
            for setting, column in wanted_columns:
                if column not in names:
                    raise _missing(file.name, source, setting, column, names)
            missing = {}
    if missing and seen:
        setting, column = next(iter(missing))
        raise _missing(example, source, setting, column, list(seen))


def _header(source: Source, file: InputFile) -> list[str] | None:
    """The names of the columns of a file that has a header (none if it is empty); None for other formats."""
    if file.size == 0:
        return []
    options = format_of(source, file.name)
    match options:
        case Csv():
            with opened(file.path, file.name) as content:
                return delimited.header(content, file.name, options, source.max_record_bytes)
        case Parquet() | Arrow():
            return columnar.columns(file.path, file.name, options.kind)
        case _:
            return None


def _objects(source: Source, file: InputFile) -> Iterator[dict[str, object]]:
    for record in islice(records(source, file), _HEAD):
        if isinstance(record, Record) and isinstance(record.value, dict):
            yield record.value


def _missing(file: str, source: Source, setting: str, column: str, names: Sequence[str]) -> RefusedInput:
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return RefusedInput(
        f"{file} (source {source.name!r}, {setting}): there is no column {column!r}; there are: {shown}."
        + _nearest(column, names)
    )


def _nearest(name: str, names: Iterator[str] | Sequence[str] | Counter[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _refuse_repeated_ids(ids: Callable[[], Iterable[_Id]]) -> None:
    """`ids` reads them again at each call: places are looked for only once an id is known to stand twice."""
    seen = set[str]()
    for file, line, external_id in ids():
        if external_id is None:
            continue
        if external_id in seen:
            other, other_line = next((name, number) for name, number, item in ids() if item == external_id)
            where = f"line {other_line}" if other == file else f"{other}, line {other_line}"
            raise RefusedInput(
                f"{file}, line {line}: the id {external_id!r} stands already in {where}; ids must differ within a "
                "source. Correct them, or leave out the source's setting id."
            )
        seen.add(external_id)


def _ids(source: Source, files: Sequence[InputFile]) -> Iterator[_Id]:
    for file in files:
        for row in rows(source, file):
            if isinstance(row, Row):
                yield file.name, row.line, row.external_id


def _id_of_example(example: Example) -> _Id:
    return example.file, example.line, example.external_id


def _refuse_no_text(source: Source, files: Sequence[InputFile]) -> None:
    reasons = Counter[str]()
    for file in files:
        for row in rows(source, file):
            if not isinstance(row, Unreadable):
                return
            reasons[row.reason] += 1
    worst = f"most often: {reasons.most_common(1)[0][0]}" if reasons else "there are no records"
    raise RefusedInput(
        f"{_names(files)} (source {source.name!r}): no text at all in {sum(reasons.values())} records; {worst}. "
        "Expected UTF-8 text; see the source's format, text and max_record_bytes."
    )


def _names(files: Sequence[InputFile]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"


def _seen(labels: set[str]) -> str:
    return f"only one label, {next(iter(labels))!r}, is left" if labels else "no label is left"


def _counted(counts: Counter[str]) -> str:
    shown = [f"{label} ({count})" for label, count in counts.most_common(8)]
    return ", ".join(shown) + (", …" if len(counts) > 8 else "") or "none"
