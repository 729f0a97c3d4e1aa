"""Labelled examples: read, filter by label, group, split, draw. They are small, so they are held in memory."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, assert_never

import numpy as np

from pipeline_config.ingest import GivenSplit, LabelsConfig, LabelSource, MadeSplit
from tasks.corpus.account import Account, book
from tasks.corpus.markup import html_to_text, markdown_to_text
from tasks.corpus.redaction.settings import masked
from tasks.ingest.corpus import Identity
from tasks.ingest.labelled_data import SPLITS, UNUSED, Example, write_conflicts, write_splits
from tasks.ingest.readers.record import Unreadable, unreadable
from tasks.ingest.rows import Malformed, Quarantine, Row, by_source, cells, rows, scalar
from tasks.ingest.split import draw, groups_of, near_duplicates, split
from tasks.runtime.artifact import InputFiles
from tasks.runtime.errors import RefusedInput
from tasks.runtime.stage import Context


def read(config: LabelsConfig, files: InputFiles) -> tuple[list[Example], list[tuple[str, str, Unreadable]]]:
    """All examples in the order of the files, and what is quarantined as (source, file, what)."""
    identity = Identity()
    examples: list[Example] = []
    bad: list[tuple[str, str, Unreadable]] = []
    sources = {source.name: source for source in config.sources}
    for plain, file in by_source(config.sources, files):
        source = sources[plain.name]
        for row in rows(source, file):
            item = row if isinstance(row, Unreadable) else _example(config, source, file.name, row, identity)
            if isinstance(item, Unreadable):
                bad.append((source.name, file.name, item))
            else:
                examples.append(item)
    return examples, bad


def wanted(config: LabelsConfig, examples: list[Example]) -> set[str]:
    """The labels to learn: of `keep` (or all), not of `drop`, and with at least `min_label_count` examples."""
    counts = Counter(example.label for example in examples if example.label is not None)
    return {
        label
        for label, count in counts.items()
        if count >= config.min_label_count and label not in config.drop and (not config.keep or label in config.keep)
    }


def run(ctx: Context, config: LabelsConfig, files: InputFiles) -> dict[str, Any]:
    """Write `data/`, `labels.json`, `conflicts.parquet` and `quarantine.parquet` under `ctx.out`; return the metrics.

    Raises:
        RefusedInput: a split would be empty, or the data name one that is none.
    """
    everything, bad = read(config, files)
    ctx.progress(1, 4, "steps", note="read")
    labels = sorted(wanted(config, everything))
    code = {label: number for number, label in enumerate(labels)}
    examples = sorted((example for example in everything if example.label in code), key=lambda example: example.id)
    y = np.array([code[str(example.label)] for example in examples], np.int64)  # (N,)

    pairs = near_duplicates([example.text for example in examples], config.group_jaccard)
    groups = groups_of(len(examples), pairs, [example.group for example in examples])  # (N,)
    ctx.progress(2, 4, "steps", note="grouped")

    parts = _parts(config, examples, y, groups)  # (N,) index into SPLITS
    for number, name in enumerate(SPLITS):
        if not (parts == number).any():
            raise RefusedInput(
                f"the {name} split is empty: {len(parts)} examples of {len(labels)} labels do not suffice. Give more "
                "examples, or raise ingest.labels.group_jaccard so that fewer of them count as near-duplicates."
            )
    train = np.flatnonzero(parts == 0)
    used = np.ones(len(examples), bool)
    used[train] = draw(y[train], config.max_train_examples, config.seed)
    ctx.progress(3, 4, "steps", note="split")

    write_splits(ctx.out, examples, labels, y, groups, np.where(used, parts, UNUSED))
    conflicts = write_conflicts(ctx.out / "conflicts.parquet", examples, y, pairs)
    tally, used_ids = Counter[str](), {example.id for example, keep in zip(examples, used, strict=True) if keep}
    for example in everything:
        kept = example.id in used_ids
        book(tally, "kept" if kept else "dropped", example.size, len(example.text.encode()) if kept else None)
    with Quarantine(ctx.out / "quarantine.parquet") as quarantine:
        for source, file, item in bad:
            book(tally, "quarantined", item.size)
            quarantine.add(source, file, item)
    ctx.progress(4, 4, "steps", note="written")

    unlabelled = sum(example.label is None for example in everything)
    by_split = {name: used & (parts == number) for number, name in enumerate(SPLITS)}
    return {
        "account": Account(**tally).check().model_dump(),
        "examples": len(examples),
        "labels": len(labels),
        "groups": len(np.unique(groups)),
        "groups_across_splits": sum(len(np.unique(parts[groups == group])) > 1 for group in np.unique(groups)),
        "splits": {name: int(inside.sum()) for name, inside in by_split.items()},
        "per_label": {
            label: {name: int((inside & (y == number)).sum()) for name, inside in by_split.items()}
            for label, number in code.items()
        },
        "left_out": {
            "unlabelled": unlabelled,
            "other_labels": len(everything) - unlabelled - len(examples),
            "unused_training": int((~used).sum()),
        },
        "conflicts": conflicts,
        "quarantined": dict(sorted(quarantine.reasons.items())),
    }


def _example(
    config: LabelsConfig, source: LabelSource, file: str, row: Row, identity: Identity
) -> Example | Unreadable:
    try:
        label = _label(row.columns, source, config)
        group = _group(row.columns, source) if source.group else None
        told = scalar(row.columns, source.split_column) if source.split_column else source.split
    except Malformed as error:
        return unreadable(row.line, row.raw, str(error))
    text = masked(_plain(row.text, config), config.redact)
    if not text.strip():
        return unreadable(row.line, row.raw, "empty text (nothing but markup)")
    return Example(
        id=identity(source.name, row.raw),
        source=source.name,
        file=file,
        line=row.line,
        external_id=row.external_id,
        text=text,
        size=len(row.raw),
        label=label,
        group=group,
        split=told,
    )


def _label(columns: dict[str, Any], source: LabelSource, config: LabelsConfig) -> str | None:
    found = cells(columns, source.label)
    values = found[0] if len(found) == 1 and isinstance(found[0], list) else found
    if values is found and len(found) == 1:
        return scalar(columns, source.label)
    if not found and source.label not in columns:
        raise Malformed(f"no column {source.label!r}; there are {', '.join(list(columns)[:12]) or 'none'}")
    if config.label_list == "refuse":
        raise Malformed("the label is a list; ingest.labels.label_list: single takes its one entry")
    return scalar({"label": values[0]}, "label") if len(values) == 1 else None


def _group(columns: dict[str, Any], source: LabelSource) -> str | None:
    value = scalar(columns, source.group)
    found = re.search(source.group_pattern, value) if source.group_pattern and value else None
    return found[0] if found and found[0] else value


def _plain(text: str, config: LabelsConfig) -> str:
    match config.markup:
        case "none":
            return text
        case "html":
            return html_to_text(text)
        case "markdown":
            return markdown_to_text(text)
        case _:
            assert_never(config.markup)


def _parts(config: LabelsConfig, examples: list[Example], y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    match config.split:
        case MadeSplit(validation=validation, test=test):
            return split(y, groups, (1 - validation - test, validation, test), config.seed)
        case GivenSplit(validation=validation):
            parts = np.array([split_number(example) for example in examples], np.int64)
            if not (parts == 1).any():
                train = np.flatnonzero(parts == 0)
                parts[train] = split(y[train], groups[train], (1 - validation, validation), config.seed)
            return parts
        case _:
            assert_never(config.split)


def split_number(example: Example) -> int:
    """The split that the data name, as an index into `SPLITS`.

    Raises:
        RefusedInput: it is none of the known names.
    """
    names = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}
    number = names.get((example.split or "").strip().lower())
    if number is None:
        raise RefusedInput(
            f"{example.file}, line {example.line}: the split is {example.split!r}; expected train, validation or test "
            f"(source {example.source!r}, split_column)."
        )
    return number
