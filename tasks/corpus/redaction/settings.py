"""Which patterns a configured edit looks for, and texts with everything masked that they find."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pipeline_config.clean import Edit, PiiConfig, SecretsConfig
from tasks.corpus.redaction.contact import EMAIL, ip_addresses, phones
from tasks.corpus.redaction.financial import CARD, IBAN
from tasks.corpus.redaction.national_ids import NATIONAL_IDS
from tasks.corpus.redaction.pattern import Pattern, redact
from tasks.corpus.redaction.secrets import SECRETS, assignments


@cache
def patterns(edit: PiiConfig | SecretsConfig) -> tuple[Pattern, ...]:
    """Of two that overlap the earlier one counts: those that random characters satisfy least come first."""
    match edit:
        case PiiConfig():
            addresses = ip_addresses(edit.private_addresses)
            known = (EMAIL, IBAN, CARD, *NATIONAL_IDS, *addresses, *phones(edit.phone_regions))
        case SecretsConfig():
            known = (*SECRETS, assignments(edit.min_entropy))
    return tuple(pattern for pattern in known if pattern.kind in edit.kinds)


def masked(text: str, edits: Sequence[Edit]) -> str:
    """The text as it may be shown: what the edits for personal data and secrets would replace in any source is."""
    for edit in edits:
        if isinstance(edit, PiiConfig | SecretsConfig):
            text = redact(text, patterns(edit), edit.placeholder).text
    return text


LOOKED_AT = 10
"""Times the characters of an excerpt that are masked for it."""


def excerpt(text: str, edits: Sequence[Edit], limit: int) -> str:
    """The first `limit` characters of the text as it may be shown. Masked first: half a number is not recognised."""
    return masked(text[: LOOKED_AT * limit], edits)[:limit]
