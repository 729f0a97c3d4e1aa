"""Generated personal data with valid check digits: for `benchmarks.curation.pii`."""

from __future__ import annotations

import ipaddress
import random
import string
from collections.abc import Callable

import phonenumbers

from tasks.corpus.redaction import checksums, national_ids

Make = Callable[[random.Random], str]
PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "SE")


def digits(rng: random.Random, count: int, first: str = "0123456789") -> str:
    return rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def letters(rng: random.Random, count: int, among: str = string.ascii_uppercase) -> str:
    return "".join(rng.choices(among, k=count))


def grouped(number: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return separator.join(parts)


def typeset(rng: random.Random, written: str) -> str:
    """One in three typeset: no-break, narrow no-break or thin spaces; hyphen, no-break hyphen or en dash."""
    if rng.randrange(3):
        return written
    return written.replace(" ", rng.choice("\u00a0\u202f\u2009")).replace("-", rng.choice("\u2010\u2011\u2013"))


def until(make: Make, holds: Callable[[str], bool]) -> Make:
    """The first that holds."""

    def made(rng: random.Random) -> str:
        while not holds(value := make(rng)):
            pass
        return value

    return made


def _email(rng: random.Random) -> str:
    name = rng.choice(
        [
            "anna.schmidt",
            "j.doe",
            "jane+news",
            "m_rossi",
            "li",
            "o'neill",
            "support-team",
            "x99",
            "P.Dupont",
            "j.müller",
            "иван",
        ]
    )
    domain = rng.choice(
        ["acme.io", "mail.uni-koeln.de", "firma.co.uk", "gmail.com", "sub.dept.agency.gov", "a1.org", "bücher.de"]
    )
    return f"{name}{rng.choice(['', digits(rng, 2)])}@{domain}"


def _public_ip(rng: random.Random) -> str:
    if rng.random() < 0.3:
        tail = rng.getrandbits(96)
        address = ipaddress.IPv6Address((rng.choice([0x2A032880, 0x26001F18, 0x24046800]) << 96) | tail)
        return rng.choice(
            [address.compressed, address.exploded, f"{address.compressed[:9]}:0:0::{rng.randrange(1, 65535):x}"]
        )
    while not (address := ipaddress.IPv4Address(rng.getrandbits(32))).is_global or address.is_multicast:
        pass
    return str(address)


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(
        [
            ("4", 16),
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
        ]
    )
    body = prefix + digits(rng, length - len(prefix) - 1)
    number = next(body + check for check in string.digits if checksums.luhn(body + check))
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    return rng.choice([number, grouped(number, sizes, " "), grouped(number, sizes, "-")])


def _iban(rng: random.Random) -> str:
    country, body = rng.choice(
        [
            ("DE", digits(rng, 18)),
            ("NL", letters(rng, 4) + digits(rng, 10)),
            ("FR", digits(rng, 23)),
            ("GB", letters(rng, 4) + digits(rng, 14)),
            ("ES", digits(rng, 20)),
            ("NO", digits(rng, 11)),
        ]
    )
    number = next(account for check in range(2, 99) if checksums.mod_97(account := f"{country}{check:02d}{body}"))
    return rng.choice([number, " ".join(number[at : at + 4] for at in range(0, len(number), 4))])


def phone(rng: random.Random) -> tuple[str, bool]:
    """A valid number and whether it is known without a word before it."""
    region = rng.choice(PHONE_REGIONS)
    kind = rng.choice([phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE])
    number = phonenumbers.example_number_for_type(region, kind)
    assert number is not None
    national = str(number.national_number)
    while True:
        number.national_number = int(national[:-4] + digits(rng, 4))
        if phonenumbers.is_valid_number(number):
            break
    form = rng.choice(["INTERNATIONAL", "E164", "NATIONAL"])
    written = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))
    return written, form != "NATIONAL" or region == "US"


def _steuer_id(rng: random.Random) -> str:
    chosen = rng.sample(string.digits, 9)
    ten = [*chosen, rng.choice(chosen)]
    rng.shuffle(ten)
    number = "".join(ten) + rng.choice(string.digits)
    return rng.choice([number, grouped(number, (2, 3, 3, 3), " ")])


def _nir(rng: random.Random) -> str:
    month, department = rng.randrange(1, 13), rng.randrange(1, 96)
    commune, order = rng.randrange(1, 999), rng.randrange(1, 999)
    body = f"{rng.choice('12')}{rng.randrange(100):02d}{month:02d}{department:02d}{commune:03d}{order:03d}"
    number = f"{body}{97 - int(body) % 97:02d}"
    return rng.choice([number, grouped(number, (1, 2, 2, 2, 3, 3, 2), " ")])


def _dni(rng: random.Random) -> str:
    return rng.choice([digits(rng, 8), rng.choice("XYZ") + digits(rng, 7)]) + rng.choice(string.ascii_uppercase)


def _codice_fiscale(rng: random.Random) -> str:
    return (
        letters(rng, 6)
        + digits(rng, 2)
        + rng.choice("ABCDEHLMPRST")
        + f"{rng.randrange(1, 32):02d}"
        + letters(rng, 1)
        + digits(rng, 3)
        + letters(rng, 1)
    )


def _cpf(rng: random.Random) -> str:
    number = digits(rng, 11)
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def _personnummer(rng: random.Random) -> str:
    date = f"{rng.randrange(1930, 2020)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    return rng.choice([date, date[2:]]) + rng.choice(["-", ""]) + digits(rng, 4)


def plain(number: str) -> str:
    return "".join(character for character in number if character.isalnum())


def _of(name: str) -> Callable[[str], bool]:
    holds = getattr(national_ids, name)
    return lambda written: holds(plain(written))


# Kind: (maker, words that name it, whether it is known without one)
PERSONAL: dict[str, tuple[Make, tuple[str, ...], bool]] = {
    "email": (_email, ("Mail", "Contact:", "<", "author =", "From:"), True),
    "ip_address": (_public_ip, ("IP", "Connection from", "client=", "http://", "host", "Ban", "visitor"), True),
    "card": (_card, ("Card", "Visa/MC:", "PAN", "paid with"), True),
    "iban": (_iban, ("IBAN", "Konto:", "transfer to"), True),
    "us_ssn": (
        until(lambda rng: grouped(digits(rng, 9), (3, 2, 4), "-"), _of("us_ssn")),
        ("SSN", "Social Security number:"),
        True,
    ),
    "uk_nino": (
        until(
            lambda rng: grouped(
                letters(rng, 2, "ABCEGHJKLMNPRSTWXYZ") + digits(rng, 6) + rng.choice("ABCD"),
                rng.choice([(9,), (2, 2, 2, 2, 1)]),
                " ",
            ),
            lambda value: value[1] != "O" and _of("uk_nino")(value),
        ),
        ("NINO", "National Insurance number", "NI no."),
        False,
    ),
    "de_steuer_id": (
        until(_steuer_id, lambda value: value[0] != "0" and _of("de_steuer_id")(value)),
        ("Steuer-ID", "Steueridentifikationsnummer:", "IdNr."),
        False,
    ),
    "fr_nir": (until(_nir, _of("fr_nir")), ("NIR", "numéro de sécurité sociale :"), True),
    "es_dni": (until(_dni, _of("es_dni")), ("DNI", "NIF:", "NIE nº"), False),
    "it_codice_fiscale": (until(_codice_fiscale, _of("it_codice_fiscale")), ("Codice fiscale", "C.F."), True),
    "nl_bsn": (until(lambda rng: digits(rng, 9), _of("nl_bsn")), ("BSN", "Burgerservicenummer:"), False),
    "br_cpf": (until(_cpf, _of("br_cpf")), ("CPF", "portador do CPF nº"), True),
    "in_aadhaar": (
        until(
            lambda rng: grouped(digits(rng, 12, "23456789"), (4, 4, 4), rng.choice([" ", "", "-"])), _of("in_aadhaar")
        ),
        ("Aadhaar", "UIDAI number:"),
        False,
    ),
    "se_personnummer": (until(_personnummer, _of("se_personnummer")), ("personnummer", "Personnr:"), False),
}
