"""Text of users, made fit for terminals, logs and pages: it must not steer what shows it."""

from __future__ import annotations

import re

# What no page may hold (C0, C1, lone surrogates, non-characters), and marks that turn the direction of what follows.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Control characters by their numbers, so that they are seen and do nothing; line ends and tabs stay."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", text.replace("\r\n", "\n"))
