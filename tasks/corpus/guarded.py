"""How much of a corpus, or of a source, may be lost to a step, an edit or the quarantine before that must be accepted.

The bounds are a house rule, not a published one: good rules take some per cent, and so do duplicates of a corpus that
was looked at once. What takes more is either a wrong setting or something to know before anything is learnt.
"""

MOST = 0.5
"""Share of the documents, or of the bytes, that came into `ingest` or `select`, or to an edit."""
MOST_OF_A_SOURCE = 0.9
"""Share of the documents of one source, or of its bytes where a step cuts them out of documents that stay."""
FEW = 20
"""Of fewer documents a share says little: neither a corpus nor a source of so few is guarded."""
