"""Payment cards (ISO/IEC 7812, prefixes and lengths of the issuers) and IBANs (ISO 13616)."""

from __future__ import annotations

import re

from tasks.corpus.redaction.checksums import luhn, mod_97
from tasks.corpus.redaction.context import before, is_catalogue_number, is_fraction
from tasks.corpus.redaction.pattern import NUMBER, Pattern, Span

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

# In fours, or in 4-6-5 (American Express) and 4-6-4 (Diners Club).
_GROUPED = (
    r"[2-6][0-9]{3}(?: [0-9]{4}){3}|[2-6][0-9]{3}(?:-[0-9]{4}){3}|3[0-9]{3} [0-9]{6} [0-9]{4,5}"
    r"|3[0-9]{3}-[0-9]{6}-[0-9]{4,5}"
)
_GROUPED_AFTER = re.compile(f"[ -]({_GROUPED})(?![0-9])")
_GROUPED_BEFORE = re.compile(f"(?<![0-9])({_GROUPED})[ -]\\Z")
_FOUR_BEFORE, _FOUR_AFTER = re.compile(r"[0-9]{3}[ -]\Z"), re.compile(r"[ -][0-9]{3}")
# The last group of a row may be the card's verification code: of three digits, for American Express of four, too.
_CODE, _CODE_OF_FOUR = re.compile(r" [0-9]{3}(?![0-9]|[ -][0-9])"), re.compile(r" [0-9]{3,4}(?![0-9]|[ -][0-9])")


def card(match: re.Match[str]) -> Span | None:
    """Numbers of 13 or 17 to 19 digits in one piece are identifiers of all kinds: they need a word for cards."""
    start, end = match.span()
    if is_catalogue_number(match):
        return None
    if match[0].isdigit():
        usual = len(match[0]) in (14, 15, 16) or _CARD_BEFORE.search(before(match)) is not None
        return (start, end) if usual and _issued(match[0]) and not is_fraction(match) else None
    ends = [end]
    if match[0].count(" ") == 4:  # what follows four groups may be another number: a code, a date
        ends.append(match.string.rindex(" ", start, end))
    found = (at for at in ends if _issued(match.string[start:at]) and not _in_a_row(match.string, start, at))
    return next(((start, at) for at in found), None)


def _issued(number: str) -> bool:
    digits = re.sub(r"[ -]", "", number)
    issued = any(len(digits) in lengths and low <= digits[: len(low)] <= high for low, high, lengths in _ISSUERS)
    return issued and luhn(digits)


def _in_a_row(text: str, start: int, end: int) -> bool:
    """Whether a number in groups is a part of a row of groups that is no row of cards."""
    ahead = _GROUPED_BEFORE.search(text, max(0, start - 20), start)
    if _FOUR_BEFORE.search(text, max(0, start - 4), start) and not (ahead and _issued(ahead[1])):
        return True
    behind = _GROUPED_AFTER.match(text, end)
    code = _CODE_OF_FOUR if text.startswith(("34", "37"), start) else _CODE
    return bool(_FOUR_AFTER.match(text, end) and not code.match(text, end) and not (behind and _issued(behind[1])))


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
    r"[2-6][0-9]{12,18}|[2-6][0-9]{3}(?: [0-9]{4}){3} [0-9]{1,3}|[2-6][0-9]{3}(?:-[0-9]{4}){3}-[0-9]{1,3}"
    rf"|{_GROUPED}",
    card,
    NUMBER,
    group="number",
)
IBAN = Pattern(
    "iban",
    r"[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?",
    iban,
    (r"(?<![0-9A-Za-z_])", ""),
    group="number",
)
