"""Hard negatives, what technical text is full of: for `benchmarks.curation.pii`."""

from __future__ import annotations

import random
import string

from benchmarks.curation.credentials import LOOKALIKES
from benchmarks.curation.personal import Make, digits, grouped, letters


def hex_of(rng: random.Random, count: int) -> str:
    return letters(rng, count, "0123456789abcdef")


def version(rng: random.Random, parts: int = 4) -> str:
    return ".".join(str(rng.choice([rng.randrange(20), rng.randrange(256)])) for _ in range(parts))


PROGRAMS = ("libc", "log4j", "Tomcat", "Windows NT", "(Chromium", "Oracle Database", "driver of NVIDIA", "jackson-core")
_SMALL = 20
"""Releases of programs seldom begin with more."""


def _day(rng: random.Random, gap: str) -> str:
    return f"20{rng.randrange(10, 30)}{gap}{rng.randrange(1, 13):02d}{gap}{rng.randrange(1, 29):02d}"


def _time(rng: random.Random) -> str:
    return ":".join(f"{rng.randrange(limit):02d}" for limit in (24, 60, 60))


NEGATIVES: dict[str, Make] = {
    "version": lambda rng: rng.choice(
        [
            f"version {version(rng)}",
            f"v{version(rng)}",
            f"openssl-{version(rng)}.tar.gz",
            f"pkg=={version(rng)}",
            f"Chrome/{version(rng)}",
            f"upgrade from {version(rng)} to {version(rng)}",
            f'"version": "{version(rng)}"',
            f"release {version(rng, 3)}-rc{rng.randrange(9)}",
            f"needs >= {version(rng)}",
            f"fixed in {version(rng)}",
            f"{rng.choice(PROGRAMS)} {rng.randrange(_SMALL + 1)}.{version(rng, 3)}",
        ]
    ),
    "section": lambda rng: rng.choice(
        [
            f"Section {version(rng)}",
            f"§ {version(rng)}",
            f"OID 1.3.6.1.4.1.{rng.randrange(9999)}.{version(rng, 2)}",
            f"control {version(rng)}",
        ]
    ),
    "sha": lambda rng: rng.choice(
        [f"commit {hex_of(rng, 40)}", f"sha256:{hex_of(rng, 64)}", f"({hex_of(rng, 7)})", f"md5 {hex_of(rng, 32)}"]
    ),
    "uuid": lambda rng: grouped(hex_of(rng, 32), (8, 4, 4, 4, 12), "-"),
    "mac": lambda rng: rng.choice([":", "-"]).join(hex_of(rng, 2) for _ in range(6)),
    "fingerprint": lambda rng: ":".join(hex_of(rng, 2).upper() for _ in range(rng.choice([16, 20, 32]))),
    "part number": lambda rng: rng.choice(
        [
            f"P/N {digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 4)}",
            f"part no. {letters(rng, 2)}{digits(rng, 6)}{letters(rng, 1)}",
            f"SKU {digits(rng, 12)}",
            f"{letters(rng, 2)}{digits(rng, 6)}{rng.choice('ABCD')} bracket",
            f"model {letters(rng, 1)}{digits(rng, 7)}{letters(rng, 1)}",
            f"order {digits(rng, 16, '3456')}",
            f"serial number {digits(rng, 15)}",
        ]
    ),
    "unnamed number": lambda rng: rng.choice(
        [
            digits(rng, 9),
            digits(rng, 10),
            digits(rng, 11),
            digits(rng, 12),
            f"{digits(rng, 8)}{letters(rng, 1)}",
            grouped(digits(rng, 12), (4, 4, 4), " "),
        ]
    ),
    "unnamed long number": lambda rng: digits(rng, rng.choice([13, 15, 16, 17, 18, 19])),
    "timestamp": lambda rng: rng.choice(
        [
            f"{_day(rng, '')}{rng.choice('TZ')}{digits(rng, 6, '01')}Z",
            f"{_day(rng, '-')} {_time(rng)}.{digits(rng, 6)}",
            f"17{digits(rng, 8)}",
            f"17{digits(rng, 11)}",
            f"17{digits(rng, 14)}",
            f"[{digits(rng, 5, '123')}.{digits(rng, 6)}]",
        ]
    ),
    "isbn": lambda rng: rng.choice(
        [
            f"ISBN 978-{digits(rng, 1)}-{digits(rng, 3)}-{digits(rng, 5)}-{digits(rng, 1)}",
            f"ISBN 97{rng.choice('89')}{digits(rng, 10)}",
            f"978{digits(rng, 10)}",
        ]
    ),
    "float": lambda rng: f"{rng.choice(['', '-', '+'])}{rng.randrange(90)}.{digits(rng, 16)}",
    "comma": lambda rng: rng.choice(
        [
            f"{rng.choice(['', '-', '+'])}{rng.randrange(90)},{digits(rng, 16)}",
            f"{rng.randrange(1, 1000)},{grouped(digits(rng, 12), (3, 3, 3, 3), ',')}",
            f"{rng.randrange(1, 1000)},{digits(rng, 3)}.{digits(rng, 2)}",
            ",".join(version(rng, 3) for _ in range(4)),
            ",".join(_day(rng, "-") for _ in range(3)),
        ]
    ),
    "row of groups": lambda rng: grouped(digits(rng, 20), (4, 4, 4, 4, 4), rng.choice(" -")),
    "table": lambda rng: " ".join(str(rng.randrange(10_000)) for _ in range(8)),
    "private or reserved address": lambda rng: (
        rng.choice(
            [
                "192.168.1.",
                "10.20.30.",
                "172.16.99.",
                "192.0.2.",
                "198.51.100.",
                "203.0.113.",
                "127.0.0.",
                "169.254.7.",
                "255.255.255.",
                "224.0.0.",
            ]
        )
        + str(rng.randrange(256))
    ),
    "reserved address 6": lambda rng: rng.choice(
        [
            f"2001:db8::{hex_of(rng, 4)}",
            f"fe80::{hex_of(rng, 4)}:{hex_of(rng, 4)}",
            "::1",
            f"fd00:{hex_of(rng, 4)}::{hex_of(rng, 2)}",
        ]
    ),
    "reserved mail": lambda rng: rng.choice(
        [f"user{digits(rng, 2)}@example.com", "root@localhost", "admin@corp.internal", "a@b.test"]
    ),
    "at sign": lambda rng: rng.choice(
        [
            "git@github.com:org/repo.git",
            "logo@2x.png",
            "@angular/core@17.2.1",
            "react@18.2.0",
            "@Override",
            "user@host",
            "foo@{u}",
            "svn+ssh://dev@svn.acme.io/trunk",
            "@pytest.mark.slow",
            "x @ y.T",
            "kernel@v6.1",
        ]
    ),
    "scope": lambda rng: rng.choice(
        [
            "std::vector::begin",
            "ab::cd::ef",
            f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}",
            "a1:b2:c3",
            f"20{digits(rng, 2)}:{digits(rng, 2)}:{digits(rng, 2)} UTC",
        ]
    ),
    "dashed": lambda rng: rng.choice(
        [
            f"CVE-20{digits(rng, 2)}-{digits(rng, 5)}",
            f"RFC {digits(rng, 4)}",
            f"pp. {digits(rng, 3)}-{digits(rng, 3)}",
            f"{digits(rng, 4)}-{digits(rng, 4)}",
            f"KB{digits(rng, 7)}",
            f"+{digits(rng, 3)} ms",
            f"C++{digits(rng, 2)}",
            f"diff +{digits(rng, 4)},{digits(rng, 2)}",
            f"{digits(rng, 3, '23456789')}.{digits(rng, 3, '23456789')}.{digits(rng, 4)} ms",
        ]
    ),
    "base64": lambda rng: letters(rng, rng.choice([24, 44, 88]), string.ascii_letters + string.digits + "+/") + "==",
    "arn": lambda rng: f"arn:aws:iam::{digits(rng, 12)}:role/Admin",
    "capitals": lambda rng: rng.choice(
        [
            letters(rng, 16, string.ascii_uppercase + string.digits),
            grouped(letters(rng, 25, string.ascii_uppercase + string.digits), (5,) * 5, "-"),
            f"{letters(rng, 2)}{digits(rng, 20)}",
            f"{letters(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)}",
        ]
    ),
    **LOOKALIKES,
}
