"""E-mail addresses, IP addresses and telephone numbers.

What is reserved for documentation names nobody and stays: example.com and its like (RFC 2606), 192.0.2.0/24,
198.51.100.0/24 and 203.0.113.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849).
"""

from __future__ import annotations

import re
from functools import partial
from ipaddress import IPv6Address

from tasks.corpus.redaction.context import before, is_catalogue_number, naming
from tasks.corpus.redaction.pattern import Pattern, Span

_LETTERS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u037d\u037f-\u0386\u0388-\u052f\u1e00-\u1fff"
"""Of Latin, Greek and Cyrillic, which part words by spaces (RFC 6531, RFC 5890): elsewhere an address would take the
text around it along. RE2 and Python read these characters alike, but not their escapes."""
# Atoms of RFC 5322 without the characters that stand around addresses more often than in them (/ = ? * # …).
_LOCAL = re.compile(rf"[{_LETTERS}0-9_%+&'-]+(?:\.[{_LETTERS}0-9_%+&'-]+)*")
_RESERVED = re.compile(
    r"(?i)(?:^|\.)(?:example\.(?:com|net|org|edu)|example|test|invalid|localhost|local|localdomain|internal)$"
)
# File names such as logo@2x.png.
_FILE_ENDINGS = frozenset(
    ("png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "json", "html", "xml", "yaml", "txt", "pdf")
)
_USER_OF_URL = re.compile(r"://[^\s/?#]*$")

# IANA, IPv4 Special-Purpose Address Registry: https://www.iana.org/assignments/iana-ipv4-special-registry
_PRIVATE_4 = ((0x0A000000, 8), (0x64400000, 10), (0xA9FE0000, 16), (0xAC100000, 12), (0xC0A80000, 16))
_SPECIAL_4 = (
    *((0x00000000, 8), (0x7F000000, 8), (0xC0000000, 24), (0xC0000200, 24), (0xC0586300, 24), (0xC6120000, 15)),
    *((0xC6336400, 24), (0xCB007100, 24), (0xE0000000, 4), (0xF0000000, 4)),
)
# IANA, IPv6 Special-Purpose Address Registry; within 2000::/3, which alone is assigned to hosts of the internet.
_SPECIAL_6 = ((0x20010000 << 96, 23), (0x20010DB8 << 96, 32), (0x3FFF0000 << 96, 20))

_VERSION_BEFORE = re.compile(
    # a word for versions or sections, then nothing but quotes, colons and the like
    r"(?:\b(?:v|ver|vers|versions?|releases?d?|rev|revision|build|firmware|kernel|driver|assembly|sdk|package|module"
    r"|sections?|sec|chapter|clause|table|figure|fig|article|annex|appendix|rule|control|(?:object)?identifier|oid|patch|hotfix|sp"
    r"|than|before|after|until|since|prior to|(?:up|down)graded? (?:to|from)|updated? (?:to|from)|fixed in|up to)"
    r"[\"']?[.:=]{0,2}[\s\"'(v]{0,3}|§\s?|[=<>~^!]=\s?|[<>^~]\s?|[A-Za-z][-/])"
    r"(?:[0-9]+(?:\.[0-9]+)+(?: ?(?:,|to|and|or|through|-|/) ?){1,2}v?){0,4}\Z",  # and those that stand before it
    re.ASCII | re.IGNORECASE,
)
_VERSION_AFTER = re.compile(
    r"[-+.~]?(?:alpha|beta|rc|snapshot|dev|post|preview|final|ga|build|sp\d|tar|tgz|zip|whl|exe|msi|dll|jar|rpm|deb|x86)"
    r"|-\d+\.(?:el|fc)|\.\*",
    re.ASCII | re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    r"\b(?:ip|ipv4|addr|address|addresses|dns|resolver|nameserver|gateway|src|dst|ping|ssh|listen|bind|https?)\b"
    r"[^\n]{0,24}\Z",
    re.ASCII | re.IGNORECASE,
)
_SMALL = 20
"""A number with no part above this looks like a version; of random addresses 1 in 20 000 does. One that begins with no
more is a version behind a name: libc 2.31.0.21."""
_WORD_BEFORE = re.compile(r"([A-Za-z][A-Za-z0-9_+.-]*)[ \t]\Z")
_NO_NAMES = re.compile(
    r"(?:a|an|and|are|as|at|be|but|by|for|from|if|in|is|it|not|of|on|or|over|that|the|then|this|to|via|was|"
    r"were|when|where|which|while|with|host|hosts|peer|client|remote|source|destination|target|node|router|"
    r"proxy|subnet|network|route|cidr|connect|connected|connecting|login)",
    re.ASCII | re.IGNORECASE,
)
"""Words that an address stands behind, and no version."""

_PHONE_WORDS = (
    "telephone|telefono|téléphone|teléfono|telefone|telefon|tel|phone|fax|mobile|mobil|móvil|cellulare|celular|cell"
    "|handy|whatsapp|hotline|rufnummer|durchwahl"
)
_PHONE_NAMED = (
    naming(_PHONE_WORDS) + r"(?i:[ _-]?(?:number|num|no|nr|nummer|numéro|número))?(?:[^0-9A-Za-z\n(][^0-9\n(]{0,15})?"
)
_DIGITS = r"(?:[ .\-/()]{0,2}[0-9])"


def _email(match: re.Match[str]) -> Span | None:
    """The match begins at the @: what stands before it is read backwards, at most the 64 characters of RFC 5321."""
    text, at = match.string, match.start()
    local = _LOCAL.match(text[max(0, at - 64) : at][::-1])
    domain = match[0][1:]
    if not local or _RESERVED.search(domain) or domain.rpartition(".")[2].lower() in _FILE_ENDINGS:
        return None
    start = at - local.end()
    while start < at and not text[start].isalnum():  # quotation marks and emphasis around an address
        start += 1
    if start == at:
        return None
    if _USER_OF_URL.search(text[max(0, start - 100) : start]):
        return None
    if text[start:at] == "git" and text[match.end() : match.end() + 1] in (":", "/"):  # a repository's address
        return None
    return start, match.end()


def _ipv4(match: re.Match[str], private: bool) -> Span | None:
    parts = [int(part) for part in match[0].split(".")]
    if max(parts) > 255 or any(len(part) > 1 and part[0] == "0" for part in match[0].split(".")):
        return None
    number = int.from_bytes(bytes(parts))
    inside = _within(number, _PRIVATE_4, 32)
    if _within(number, _SPECIAL_4, 32) or (inside and not private):
        return None
    ahead = before(match, 80)
    if _VERSION_BEFORE.search(ahead) or _VERSION_AFTER.match(match.string, match.end()):
        return None
    if inside or _ADDRESS_BEFORE.search(ahead):
        return match.span()
    word = _WORD_BEFORE.search(ahead)
    version = parts[0] <= _SMALL and word and not _NO_NAMES.fullmatch(word[1])
    return match.span() if max(parts) > _SMALL and not version else None


def _ipv6(match: re.Match[str], private: bool) -> Span | None:
    try:
        number = int(IPv6Address(match[0]))
    except ValueError:  # times, hardware addresses, fingerprints
        return None
    if number >> 125 == 1:  # 2000::/3
        return None if _within(number, _SPECIAL_6, 128) else match.span()
    return (
        match.span() if private and (number >> 121 == 0x7E or number >> 118 == 0x3FA) else None
    )  # fc00::/7, fe80::/10


def _within(number: int, ranges: tuple[tuple[int, int], ...], bits: int) -> bool:
    return any((number ^ first) >> (bits - length) == 0 for first, length in ranges)


def _phone(match: re.Match[str], regions: tuple[str | None, ...]) -> Span | None:
    """Valid by the numbering plan: of the world for numbers with +, of one of the regions for others."""
    import phonenumbers  # takes a tenth of a second

    if is_catalogue_number(match):
        return None
    start, end = match.span(1 if match.re.groups else 0)
    written = match.string[start:end]
    # A match may run on into the next number: it ends at one of the gaps.
    ends = [len(written), *(gap.start() for gap in reversed(list(re.finditer(r"(?<=[0-9])[ /(]", written))))]
    for length in ends:
        for region in regions:
            try:
                number = phonenumbers.parse(written[:length], region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(number):
                return start, start + length
    return None


EMAIL = Pattern(
    "email",
    rf"@(?:[{_LETTERS}0-9-]+\.)+[{_LETTERS}]{{2,24}}",
    _email,
    ("", r"(?![0-9A-Za-z]|[-_][0-9A-Za-z])"),
    mark=rf"@[{_LETTERS}0-9-]",
)


def ip_addresses(private: bool) -> tuple[Pattern, ...]:
    """Addresses of the internet; `private` adds those of private, shared and link-local networks."""
    first = r"[23][0-9A-Fa-f]{3}" + (r"|[fF][cCdDeE][0-9A-Fa-f]{2}" if private else "")
    return (
        Pattern(
            "ip_address",
            r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
            partial(_ipv4, private=private),
            (r"(?<![0-9A-Za-z_.])", r"(?![0-9A-Za-z_]|\.[0-9])"),
            mark=r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
        ),
        Pattern(
            "ip_address",
            rf"(?:{first})(?:::?[0-9A-Fa-f]{{1,4}}){{2,7}}",
            partial(_ipv6, private=private),
            (r"(?<![0-9A-Za-z_:.])", r"(?![0-9A-Za-z_]|:[0-9A-Fa-f:])"),
            mark=r":[0-9A-Fa-f]{1,4}:",
        ),
    )


def phones(regions: tuple[str, ...]) -> tuple[Pattern, ...]:
    """Numbers with +; those of the regions' own form behind a word for telephones, North American ones without."""
    patterns = [
        Pattern(
            "phone",
            rf"\+[1-9]{_DIGITS}{{6,14}}",
            partial(_phone, regions=(None,)),
            (r"(?<![0-9A-Za-z_+])", r"(?![0-9A-Za-z_])"),
            mark=r"\+[1-9]",
        )
    ]
    if regions:
        patterns.append(
            Pattern(
                "phone",
                rf"{_PHONE_NAMED}(\(?[0-9]{_DIGITS}{{5,13}})",
                partial(_phone, regions=regions),
                (r"(?<![<\[{#*|])", r"(?![0-9A-Za-z_]|[.\-][0-9])"),  # a placeholder names nothing
                needs=tuple(_PHONE_WORDS.split("|")),
                group="name",
                hint=rf"{_PHONE_NAMED}[0-9(]",
            )
        )
    if {"US", "CA"} & set(regions):
        patterns.append(
            Pattern(
                "phone",
                r"\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}|[2-9][0-9]{2}([-.])[2-9][0-9]{2}[-.][0-9]{4}",
                _north_american,
                (r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z][.\-])", r"(?![0-9A-Za-z_]|[.\-][0-9A-Za-z])"),
                group="phone",
            )
        )
    return tuple(patterns)


def _north_american(match: re.Match[str]) -> Span | None:
    import phonenumbers

    if match[1] and match[0][7] != match[1]:  # one separator throughout
        return None
    valid = phonenumbers.is_valid_number(phonenumbers.parse(match[0], "US"))
    return match.span() if valid and not is_catalogue_number(match) else None
