"""Payment cards (ISO/IEC 7812, prefixes and lengths of the issuers) and IBANs (ISO 13616)."""

from __future__ import annotations

import re

from tasks.corpus.redaction.checksums import luhn, mod_97
from tasks.corpus.redaction.context import before, is_catalogue_number
from tasks.corpus.redaction.pattern import Pattern, Span

# First digits (low, high) and lengths: https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    *((prefix, prefix, tuple(range(13, 20))) for prefix in ("5018", "5020", "5038", "5893", "6304", "6759")),  # Maestro
    ("6761", "6763", tuple(range(13, 20))),
)

# SWIFT, IBAN registry: https://www.swift.com/standards/data-standards/iban-international-bank-account-number
_IBAN_LENGTHS = dict.fromkeys(("NO",), 15) | {
    country: length
    for length, countries in {
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


_CARD_BEFORE = re.compile(
    r"(?:card|visa|master|amex|maestro|karte|carte|tarjeta|carta|kort|cartão|pan)\b[^0-9]{0,24}\Z", re.IGNORECASE
)

_FOUR_BEFORE, _FOUR_AFTER = re.compile(r"[0-9]{3}[ -]\Z"), re.compile(r"[ -][0-9]{3}")


def card(match: re.Match[str]) -> Span | None:
    """Numbers of 13 or 17 to 19 digits in one piece are identifiers of all kinds: they need a word for cards."""
    text, (start, end) = match.string, match.span()
    digits = re.sub(r"[ -]", "", match[0])
    issued = any(len(digits) in lengths and low <= digits[: len(low)] <= high for low, high, lengths in _ISSUERS)
    if not issued or not luhn(digits) or is_catalogue_number(match):
        return None
    if len(digits) == end - start:
        usual = len(digits) in (14, 15, 16) or _CARD_BEFORE.search(before(match)) is not None
    else:  # no part of a row of numbers
        usual = not _FOUR_BEFORE.search(text[max(0, start - 6) : start]) and not _FOUR_AFTER.match(text, end)
    return (start, end) if usual else None


def iban(match: re.Match[str]) -> Span | None:
    """A match may run on into what follows: the country says where the number ends."""
    length = _IBAN_LENGTHS.get(match[0][:2], 0)
    end, left = match.start(), length
    while left and end < match.end():
        left -= match.string[end] != " "
        end += 1
    if not length or left or match.string[end : end + 1].isalnum():
        return None
    return (match.start(), end) if mod_97(match.string[match.start() : end].replace(" ", "")) else None


CARD = Pattern(
    "card",
    # as one, in fours, or in 4-6-5 (American Express) and 4-6-4 (Diners Club)
    r"[2-6][0-9]{12,18}|[2-6][0-9]{3}(?: [0-9]{4}){3}(?: [0-9]{1,3})?|[2-6][0-9]{3}(?:-[0-9]{4}){3}(?:-[0-9]{1,3})?"
    r"|3[0-9]{3} [0-9]{6} [0-9]{4,5}|3[0-9]{3}-[0-9]{6}-[0-9]{4,5}",
    card,
    (r"(?<![0-9A-Za-z_])(?<![0-9][.,\-])", r"(?![0-9A-Za-z_]|[.,\-][0-9])"),
    group="number",
)
IBAN = Pattern(
    "iban",
    r"[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?",
    iban,
    (r"(?<![0-9A-Za-z_])", ""),
    group="number",
)
