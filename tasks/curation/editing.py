"""Texts through the edits, one by one or a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from pipeline_config.clean import (
    C4LinesConfig,
    DropLinesConfig,
    Edit,
    HtmlConfig,
    MarkdownConfig,
    NormalFormConfig,
    PiiConfig,
    RepairConfig,
    RepeatedLinesConfig,
    SecretsConfig,
    WhitespaceConfig,
)
from tasks.corpus.document import iter_documents
from tasks.curation import line_frequencies
from tasks.curation.edits import (
    c4_lines,
    drop_lines,
    html,
    markdown,
    normal_form,
    pii,
    repair,
    repeated_lines,
    secrets,
    whitespace,
)
from tasks.curation.edits.edited import Edited
from tasks.curation.line_frequencies import Frequencies


def apply(
    edit: Edit, text: str, source: str = "", frequencies: Frequencies | None = None, edits: Sequence[Edit] = ()
) -> Edited:
    """One edit of one text. `frequencies` were fitted for it on the corpus; a text that is in none has none. What the
    reason quotes is masked as `edits` do."""
    match edit:
        case RepairConfig():
            return repair.edit(text, edit)
        case NormalFormConfig():
            return normal_form.edit(text, edit)
        case HtmlConfig():
            return html.edit(text, edit)
        case MarkdownConfig():
            return markdown.edit(text, edit)
        case WhitespaceConfig():
            return whitespace.edit(text, edit)
        case DropLinesConfig():
            return drop_lines.edit(text, edit)
        case C4LinesConfig():
            return c4_lines.edit(text, edit)
        case RepeatedLinesConfig():
            return (
                repeated_lines.edit(text, edit, source, frequencies, edits) if frequencies is not None else Edited(text)
            )
        case PiiConfig():
            return pii.edit(text, edit)
        case SecretsConfig():
            return secrets.edit(text, edit)
        case _:
            assert_never(edit)


def apply_all(
    edits: Sequence[Edit], source: str, text: str, fitted: Mapping[int, Frequencies] = MappingProxyType({})
) -> tuple[str, list[tuple[int, Edited]]]:
    """The text after all edits, and what each that changed it did, by its position; `fitted` is by position, too."""
    changes = []
    for position, edit in enumerate(edits):
        if edit.sources and source not in edit.sources:
            continue
        edited = apply(edit, text, source, fitted.get(position), edits)
        if edited.reason:
            changes.append((position, edited))
            text = edited.text
    return text, changes


def apply_batch(
    edits: Sequence[Edit],
    sources: Sequence[str],
    texts: Sequence[str],
    fitted: Mapping[int, Frequencies] = MappingProxyType({}),
) -> list[tuple[str, list[tuple[int, Edited]]]]:
    """What `apply_all` gives for each of the texts, edit by edit."""
    now = list(texts)
    changes: list[list[tuple[int, Edited]]] = [[] for _ in now]
    for position, edit in enumerate(edits):
        rows = [row for row, source in enumerate(sources) if not edit.sources or source in edit.sources]
        held = [(sources[row], now[row]) for row in rows]
        for place, edited in _changed(edit, held, fitted.get(position), edits):
            changes[rows[place]].append((position, edited))
            now[rows[place]] = edited.text
    return list(zip(now, changes, strict=True))


def _changed(
    edit: Edit, held: Sequence[tuple[str, str]], frequencies: Frequencies | None, edits: Sequence[Edit]
) -> Iterator[tuple[int, Edited]]:
    """Of (source, text) what an edit changes, by its place; some edits tell from one pass over all where to look."""
    match edit:
        case RepairConfig():
            yield from repair.edit_batch([text for _, text in held], edit)
        case WhitespaceConfig():
            yield from whitespace.edit_batch([text for _, text in held], edit)
        case PiiConfig():
            yield from pii.edit_batch([text for _, text in held], edit)
        case SecretsConfig():
            yield from secrets.edit_batch([text for _, text in held], edit)
        case _:
            done = ((place, apply(edit, text, source, frequencies, edits)) for place, (source, text) in enumerate(held))
            yield from ((place, edited) for place, edited in done if edited.reason)


def asks_the_corpus(edits: Sequence[Edit]) -> bool:
    """Whether any edit needs what `fit` counts."""
    return any(isinstance(edit, RepeatedLinesConfig) for edit in edits)


def fit(edits: Sequence[Edit], documents: Path, spill: Path) -> dict[int, Frequencies]:
    """Count what the edits need to know of the whole corpus, by their position: one pass over the documents for each.

    Each sees the texts as the edits before it leave them. `spill` is an empty folder.
    """
    fitted: dict[int, Frequencies] = {}
    for position, edit in enumerate(edits):
        if isinstance(edit, RepeatedLinesConfig):
            keys = (
                repeated_lines.keys(apply_all(edits[:position], source, text, fitted)[0], edit, source)
                for batch in iter_documents(documents, ["source", "text"])
                for source, text in zip(*(batch.column(name).to_pylist() for name in ("source", "text")), strict=True)
                if not edit.sources or source in edit.sources
            )
            folder = spill / str(position)
            folder.mkdir()
            fitted[position] = line_frequencies.fit(keys, edit.min_documents, folder)
    return fitted
