"""What `select` holds in memory for a document, in bytes; everything else is bounded whatever the corpus.

Counted from the arrays: `docs/curation.md` compares with what was measured.
"""

from __future__ import annotations

DECISIONS = 82
"""The ledger: id 16, source, language, component and a place 4 each, kept 1; of a document that is dropped value,
threshold and Jaccard 8 each, matched id 17, step and reason 4 each as well: 33 to 82."""
COLUMNS = 110
"""At the widest place: sizes, the values, bound and reason of a rule, shares of held-out texts, the order, the digests
of texts and their sort."""
NEAR_DOCUMENT, NEAR_BAND = 40, 12
"""The index of near-duplicates: for a document, and for a document and band. See `tasks.dedup.walk`."""


def bytes_a_document(bands: int) -> int:
    """`bands` = 0: near-duplicates are kept."""
    return DECISIONS + COLUMNS + (NEAR_DOCUMENT + NEAR_BAND * bands if bands else 0)
