"""Lines or paragraphs that stand in many documents of a source: navigation, notices, mastheads.

That a line repeats makes no boilerplate of it: over a third of technical lines do. So a line goes only if it has some
words, stands in enough documents, near the head or foot of its own (where the config says so), and if all that goes is
a small part of the document; a document that is repeated as a whole is the business of deduplication. Of what repeats
one document keeps its first occurrence, unless the config says that all go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import assert_never

import xxhash

from pipeline_config.clean import Edit, RepeatedLinesConfig
from tasks.corpus.redaction.settings import excerpt
from tasks.curation.edits.edited import Edited
from tasks.curation.line_frequencies import Frequencies

EXCERPT = 60  # characters of the first line that goes, in the reason
_PARAGRAPH = re.compile(r"(\n[^\S\n]*\n\s*)")


def edit(
    text: str, config: RepeatedLinesConfig, source: str, frequencies: Frequencies, edits: Sequence[Edit]
) -> Edited:
    """The line that the reason quotes is masked as `edits`, all of the config, do."""
    pieces = _pieces(text, config)
    marked = dict(_repeated(pieces, config, source, frequencies, _digest(text)))
    if not marked:
        return Edited(text)
    size = sum(len(piece.encode()) for piece in marked.values())
    first = _shown(next(iter(marked.values())).strip(), tuple(edits))
    what = f"{len(marked)} {config.unit}s in {config.min_documents} documents or more, such as {first!r}"
    if size > config.max_share * len(text.encode()):
        return Edited(text)
    if config.report_only:
        return Edited(text, reason=f"report only, {size} bytes: {what}")
    # A piece goes with the line end or empty line after it.
    kept = "".join(piece for index, piece in enumerate(pieces) if index not in marked and index - 1 not in marked)
    return Edited.between(text, kept.rstrip("\n") if len(pieces) - 1 in marked else kept, what)


@lru_cache(maxsize=1024)  # the same lines again and again
def _shown(line: str, edits: tuple[Edit, ...]) -> str:
    return excerpt(line, edits, EXCERPT)


def keys(text: str, config: RepeatedLinesConfig, source: str) -> tuple[int, set[int]]:
    """What `line_frequencies.fit` counts of a document: its hash, and the key of each different candidate."""
    return _digest(text), {key(source, piece) for _, piece in _candidates(_pieces(text, config), config)}


def key(source: str, piece: str) -> int:
    """64 bits (xxh3) of a line and its source: of 10¹⁰ lines, 0.0005 are expected to be taken for one of 10⁶ others."""
    value: int = xxhash.xxh3_64_intdigest(f"{len(source)}:{source}:{piece.strip()}".encode())
    return value


def _digest(text: str) -> int:
    value: int = xxhash.xxh3_64_intdigest(text.encode())
    return value


def _repeated(
    pieces: list[str], config: RepeatedLinesConfig, source: str, frequencies: Frequencies, digest: int
) -> Iterator[tuple[int, str]]:
    """Place and text of what repeats, but for what the document of this hash keeps."""
    met = set()
    for index, piece in _candidates(pieces, config):
        at = frequencies.place(key(source, piece))
        if at is None or frequencies.counts[at] < config.min_documents:
            continue
        if config.keep == "none" or frequencies.firsts[at] != digest or at in met:
            yield index, piece
        met.add(at)


def _pieces(text: str, config: RepeatedLinesConfig) -> list[str]:
    """Lines or paragraphs at even places, what stands between them at odd ones."""
    match config.unit:
        case "line":
            return re.split(r"(\n)", text)
        case "paragraph":
            return _PARAGRAPH.split(text)
        case _:
            assert_never(config.unit)


def _candidates(pieces: list[str], config: RepeatedLinesConfig) -> Iterator[tuple[int, str]]:
    """Place and text of what may go if it is frequent."""
    filled = [index for index in range(0, len(pieces), 2) if pieces[index].strip()]
    if config.edges:
        filled = sorted({*filled[: config.edges], *filled[-config.edges :]})
    for index in filled:
        if len(pieces[index].split()) >= config.min_words:
            yield index, pieces[index]
