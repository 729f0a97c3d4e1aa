"""National identification numbers, by country.

A format that a random number meets more often than once in a thousand counts only behind a word that names it
(`named`), on a check digit alone a tenth of all numbers would be somebody's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from tasks.corpus.redaction.checksums import luhn, mod_11_10, runs_of_three, verhoeff, weighted
from tasks.corpus.redaction.context import is_catalogue_number, is_fraction, named, naming
from tasks.corpus.redaction.pattern import ALONE, NUMBER, Pattern, Span

_NAMED = r"(?<![<\[{#*|])", ALONE[1]  # a placeholder names nothing


def us_ssn(number: str) -> bool:
    """No check digit. Areas 000, 666 and 9xx, group 00 and serial 0000 are never given, two were printed in public.

    https://www.ssa.gov/employer/randomizationfaqs.html
    """
    area, group, serial = number[:3], number[3:5], number[5:]
    never = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return not never and number not in ("078051120", "219099999")


def uk_nino(number: str) -> bool:
    """No check digit. Prefixes that are never given: https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110"""
    return number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def de_steuer_id(number: str) -> bool:
    """ISO 7064 mod 11,10; of the first ten digits one stands twice or three times (not in a row), all others once.

    Bundeszentralamt für Steuern, "Die Steueridentifikationsnummer": https://www.bzst.de
    """
    repeats = [count for count in Counter(number[:10]).values() if count > 1]
    once = len(repeats) == 1 and repeats[0] <= 3 and not runs_of_three(number[:10])
    return once and mod_11_10(number)


def fr_nir(number: str) -> bool:
    """97 − (13 digits mod 97); Corsica's 2A and 2B count as 19 and 18. INSEE: https://www.insee.fr/fr/metadonnees/definition/c1409"""
    digits = number.replace("2A", "19").replace("2B", "18")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def es_dni(number: str) -> bool:
    """DNI and NIE: the letter is number mod 23; X, Y and Z count as 0, 1 and 2.

    https://www.interior.gob.es/opencms/es/servicios-al-ciudadano/tramites-y-gestiones/dni/calculo-del-digito-de-control-del-nif-nie/
    """
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


def it_codice_fiscale(number: str) -> bool:
    """Sum of values by odd and even place mod 26. Decree of 23 December 1976, n. 13813, articles 3 to 6."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    total = 0
    for place, character in enumerate(number[:15]):
        value = int(character) if character.isdigit() else ord(character) - ord("A")
        total += odd[value] if place % 2 == 0 else value
    return chr(ord("A") + total % 26) == number[15]


def nl_bsn(number: str) -> bool:
    """The "eleven test": 9a + 8b + … + 2h − i divides by 11. https://www.rvig.nl/bsn"""
    return int(number) > 0 and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def br_cpf(number: str) -> bool:
    """Two check digits mod 11; eleven equal digits are none. Receita Federal: https://www.gov.br/receitafederal"""
    checks = (weighted(number[:size], tuple(range(size + 1, 1, -1)), 11) for size in (9, 10))
    expected = "".join(str(0 if rest < 2 else 11 - rest) for rest in checks)
    return len(set(number)) > 1 and number[9:] == expected


def in_aadhaar(number: str) -> bool:
    """Verhoeff over twelve digits, the first 2 to 9. UIDAI: https://uidai.gov.in"""
    return verhoeff(number) and number != number[::-1]


def se_personnummer(number: str) -> bool:
    """Date of birth (day + 60 in a samordningsnummer), Luhn over ten digits. Folkbokföringslag (1991:481), § 18."""
    ten = number[-10:]
    year = int(number[:4]) if len(number) == 12 else 2000 + int(ten[:2])  # leap years are alike in 19xx, but for 1900
    day = int(ten[4:6])
    try:
        date(year, int(ten[2:4]), day - 60 if day > 60 else day)
    except ValueError:
        return False
    return luhn(ten)


def _pattern(
    kind: str,
    shape: str,
    holds: Callable[[str], bool],
    borders: tuple[str, str] = NUMBER,
    needs: tuple[str, ...] = (),
) -> Pattern:
    def check(match: re.Match[str]) -> Span | None:
        start, end = match.span(1 if match.re.groups else 0)
        number = re.sub(r"[^0-9A-Z]", "", match.string[start:end].upper())
        other = match.re.groups == 0 and (is_catalogue_number(match) or is_fraction(match))
        return (start, end) if holds(number) and not other else None

    return Pattern(kind, shape, check, borders, needs, group="number")


def _named(kind: str, words: str, number: str, holds: Callable[[str], bool], needs: tuple[str, ...]) -> Pattern:
    pattern = _pattern(kind, named(words, number), holds, _NAMED, needs)
    return replace(pattern, group="name", hint=naming(words))


NATIONAL_IDS: tuple[Pattern, ...] = (
    _pattern("us_ssn", r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", us_ssn),
    _named("us_ssn", r"ssn\b|social.security", r"[0-8][0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{4}", us_ssn, ("ssn", "social")),
    _pattern("uk_nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] [0-9]{2} [0-9]{2} [0-9]{2} [A-D]", uk_nino, ALONE),
    _named(
        "uk_nino",
        r"nino\b|national.insurance|ni.n(?:umber|o)\b",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
        uk_nino,
        ("nino", "insurance", "ni"),
    ),
    _named(
        "de_steuer_id",
        r"steuer-?id|steuer-?identifikation|steuerliche.identifikation|idnr\b|tax.id\b|tin\b",
        r"[1-9][0-9](?: ?[0-9]{3}){3}",
        de_steuer_id,
        ("steuer", "idnr", "tax", "tin"),
    ),
    _pattern(
        "fr_nir",
        r"[1-478] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|20) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        fr_nir,
    ),
    _named(
        "es_dni",
        r"(?:dni|nif|nie)\b|documento.nacional",
        r"(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-Z]",
        es_dni,
        ("dni", "nif", "nie", "documento"),
    ),
    _pattern(
        "it_codice_fiscale",
        r"[A-Z]{6}[0-9L-NP-V]{2}[ABCDEHLMPRST][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]",
        it_codice_fiscale,
        ALONE,
    ),
    _named(
        "nl_bsn",
        r"bsn\b|burgerservicenummer|sofi-?nummer",
        r"[0-9]{4}\.?[0-9]{2}\.?[0-9]{3}",
        nl_bsn,
        ("bsn", "burgerservice", "sofi"),
    ),
    _pattern("br_cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", br_cpf),
    _named("br_cpf", r"cpf\b", r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}", br_cpf, ("cpf",)),
    _named("in_aadhaar", r"aadha?ar|uidai", r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", in_aadhaar, ("aadh", "uidai")),
    _named(
        "se_personnummer",
        r"personnummer|personnr|pnr\b|samordningsnummer|personal.identity.number",
        r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}",
        se_personnummer,
        ("personn", "pnr", "samordning", "personal"),
    ),
)
