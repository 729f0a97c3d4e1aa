"""Check digits. Every function takes a string of ASCII digits unless it says otherwise."""

from __future__ import annotations

from itertools import pairwise

# Verhoeff 1969: multiplication in the dihedral group D5, and its permutation applied again and again.
_D5 = tuple(
    tuple(
        (j + k) % 5
        if j < 5 and k < 5
        else (j - 5 + 5 - k) % 5
        if j >= 5 and k >= 5
        else (j + k - 5) % 5 + 5
        if j < 5
        else (j - 5 - k) % 5 + 5
        for k in range(10)
    )
    for j in range(10)
)
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) << (place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff, "Error Detecting Decimal Codes" (1969)."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _PERMUTATION[value]
        check = _D5[check][value]
    return check == 0


def mod_97(account: str) -> bool:
    """ISO/IEC 7064 mod 97-10 as ISO 13616 applies it to an IBAN (digits and capitals): its first four come last."""
    number = "".join(str(int(character, 36)) for character in account[4:] + account[:4])
    return int(number) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064 mod 11,10."""
    product = 10
    for digit in digits[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: tuple[int, ...], modulus: int) -> int:
    """Σ digit · weight mod `modulus`."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % modulus


def runs_of_three(digits: str) -> bool:
    """Whether a digit stands three times in a row."""
    return any(a == b == c for (a, b), (_, c) in pairwise(pairwise(digits)))
