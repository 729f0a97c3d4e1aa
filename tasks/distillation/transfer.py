"""Unlabelled texts on which the student learns what the teacher says."""

from __future__ import annotations

import pyarrow.compute as pc

from tasks.corpus.document import read_documents
from tasks.runtime.artifact import Corpus
from tasks.runtime.errors import RefusedInput


def transfer_texts(corpus: Corpus, sources: tuple[str, ...] | None, limit: int) -> list[str]:
    """At most `limit` texts of the named sources (None = all), those with the smallest ids.

    Ids are hashes, so that the smallest are a uniform sample, and the same one whatever else changes in the corpus.

    Raises:
        RefusedInput: when a source has no document in the corpus.
    """
    return [text for _, text in _smallest(corpus, sources, limit, "text")]


def transfer_ids(corpus: Corpus, sources: tuple[str, ...] | None, limit: int) -> list[bytes]:
    """The ids of `transfer_texts`, ascending, without reading a text."""
    return [document for document, _ in _smallest(corpus, sources, limit, "source")]


def _smallest(corpus: Corpus, sources: tuple[str, ...] | None, limit: int, column: str) -> list[tuple[bytes, str]]:
    if limit == 0 or sources == ():
        return []
    documents = read_documents(corpus.path / "documents", sorted({"id", "source", column}))
    if sources is not None:
        known = set(documents["source"].unique().to_pylist())
        unknown = sorted(set(sources) - known)
        if unknown:
            raise RefusedInput(
                f"distill.transfer_sources: no document of {unknown[0]!r} was kept; expected some of "
                f"{', '.join(sorted(known))}."
            )
        documents = documents.filter(pc.field("source").isin(list(sources)))
    rows = sorted(zip(documents["id"].to_pylist(), documents[column].to_pylist(), strict=True))
    return rows[:limit]
