"""Versions of a corpus: what an increment goes on with, and where that came from.

State (models, frequencies, the values that quantiles are taken of) is fitted to version 0. When documents come, change
or go, the next version is measured under the same state, and what came later displaces nothing that came before: a
result then depends on its history, which the manifest tells. It begins anew, as version 0, where nothing earlier fits:
other settings (raise `measure.refit`), other edits, or a corpus most of which the earlier artifact does not know.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from tasks.corpus.document import count_documents, iter_documents, rows_between
from tasks.corpus.row_groups import ROWS
from tasks.runtime.artifact import LINEAGE, MANIFEST, CleanCorpus, Manifest
from tasks.runtime.fingerprint import digest_of

KNOWN = 0.5
"""Share of a corpus that the earlier artifact must know. A house rule: state that was fitted to less, such as to
another corpus of the workspace, is none of this corpus. (A sample is none of it however much it holds: the store gives
no artifact of another share as the earlier one.)"""
GROWTH = 2
"""How many times the documents that its state was fitted to a corpus may have before a refit is due: as `KNOWN`."""


@dataclass(frozen=True)
class Lineage:
    version: int
    """0: everything was fitted here."""
    parent: str
    """Fingerprint of the version before; empty if there is none."""
    fitted_in: str
    """Fingerprint of version 0; empty if that is this one."""
    fitted_documents: int
    """Documents that the state was fitted to."""
    cleaned_by: str
    """Digest of the settings and the version of `clean`."""

    def figures(self, documents: int) -> dict[str, Any]:
        """For the manifest of measures of so many documents."""
        return {**asdict(self), "refit_due": self._due(documents)}

    def _due(self, documents: int) -> bool:
        return documents > GROWTH * self.fitted_documents

    def told(self, new: int, documents: int) -> list[str]:
        """Lines for the log, where `new` of so many documents were not in the parent."""
        if not self.version:
            return []
        lines = [
            f"version {self.version} of the corpus: {new} of {documents} documents are new or changed; state as fitted "
            f"to the {self.fitted_documents} documents of version 0 ({self.fitted_in[:10]})"
        ]
        if self._due(documents):
            lines.append(
                f"the corpus has grown from {self.fitted_documents} to {documents} documents since its state was "
                "fitted: a refit is due. Raise measure.refit by one."
            )
        return lines


def settings_of(clean: CleanCorpus) -> str:
    """What `Lineage.cleaned_by` holds of texts that come from `clean`."""
    manifest = clean.manifest
    return digest_of({"config": manifest.config, "version": manifest.version})


def next_version(earlier: Path | None, documents: Path, table: str, cleaned_by: str) -> Lineage:
    """Of measures of `documents`, after those in the folder `earlier`, whose `table` has columns id and text_digest."""
    if earlier is not None:
        manifest = Manifest.model_validate_json((earlier / MANIFEST).read_bytes())
        figures = manifest.metrics[LINEAGE]
        before = Lineage(**{name: figures[name] for name in Lineage.__dataclass_fields__})
        if before.cleaned_by == cleaned_by and knows(earlier / table, documents):
            fitted_in = before.fitted_in or manifest.fingerprint
            return Lineage(
                before.version + 1, manifest.fingerprint, fitted_in, before.fitted_documents, before.cleaned_by
            )
    return Lineage(0, "", "", count_documents(documents), cleaned_by)


def knows(table: Path, documents: Path) -> bool:
    """Whether most of the documents stand in a table (columns id, text_digest, in order of id) with the same text."""
    return mostly(unchanged(table, documents), documents)


def mostly(known: int, documents: Path) -> bool:
    """Whether so many of the documents are most of them."""
    return known >= KNOWN * count_documents(documents)


def unchanged(table: Path, documents: Path) -> int:
    """How many of the documents stand in such a table with the same text."""
    known = 0
    for batch in iter_documents(documents, ["id", "text_digest"], ROWS):
        if not len(batch):
            continue
        ends = batch["id"][0].as_py(), batch["id"][-1].as_py()
        _, before = rows_between([table], *ends, ["id", "text_digest"])
        same = pc.equal(before["text_digest"].take(pc.index_in(batch["id"], before["id"])), batch["text_digest"])
        known += pc.sum(same, min_count=0).as_py()
    return known
