"""What the words before a number say of it."""

from __future__ import annotations

import re

_READ = 32
"""Characters before a number in which its name is looked for."""

_CATALOGUE = re.compile(
    r"\b(?:part|p/n|pn|sku|model|serial|s/n|sn|order|tracking|shipment|ticket|invoice|case|article|item|catalog(?:ue)?|lot"
    r"|batch|isbn|issn|ean|upc|gtin|imei|imsi|iccid|doi|oid|rfc|commit|build|version|timestamp|epoch|trace|span|request"
    r"|account|arn|uid|guid|id)"
    r"(?:[ _.-]?(?:number|numbers|no|nr|num|code|id|ids))?[\"']?[.:#=]{0,2}[\s\"'#(]{0,3}\Z",
    re.ASCII | re.IGNORECASE,
)


# Not behind another column, nor at the beginning of a line, where a row begins (but no row's number is 0).
_WHOLE_PART = re.compile(r"(?:(?<![0-9,])0|(?<![0-9,\n])(?<!\A)[0-9]{1,3}),\Z")
_NEXT_COLUMN = re.compile(r",\S")


def before(match: re.Match[str], characters: int = _READ) -> str:
    """The end of the text before a match."""
    return match.string[max(0, match.start() - characters) : match.start()]


def is_catalogue_number(match: re.Match[str]) -> bool:
    """Whether the word before a number says that it counts or names things: part, order, ISBN, commit …"""
    return _CATALOGUE.search(before(match)) is not None


def is_fraction(match: re.Match[str]) -> bool:
    """Whether digits in one piece are the decimals behind a comma (0,4111111111111111), and no column of a table."""
    text, (start, end) = match.string, match.span()
    if not match[0].isdigit() or _NEXT_COLUMN.match(text, end):
        return False
    return _WHOLE_PART.search(text, max(0, start - 5), start) is not None


def naming(words: str) -> str:
    """The shape of the beginning of a word that names a number."""
    return rf"\b(?i:{words})"


def named(words: str, number: str) -> str:
    """The shape of a number behind a word that names it, at most 30 characters without a digit between.

    For numbers that a random one of their format is too often mistaken for. The number is the first group.
    """
    return rf"{naming(words)}[^0-9]{{0,30}}?({number})"
