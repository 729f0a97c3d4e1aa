"""Where a text may be cut so that its parts have the same ids one by one as together.

A cut is made beside an ASCII space or punctuation mark, where the pre-tokenizer parts the text whatever stands around;
the model (WordPiece, BPE, Unigram) never looks beyond a pre-token. No Unicode normal form (Unicode Standard Annex 15),
lower case or removal of accents reaches over such a place: what composes with a mark is no place for a cut, and
neither are the characters of added tokens, which are found before all that. What is not known here to be exact has no
cuts.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cuts = NDArray[np.bool_]
"""Whether a text may be cut between two characters, by their ASCII codes; 128 stands for all others. (129, 129)"""

_OTHERS = "\x80"
_WORD = string.ascii_letters + string.digits
_MARKS = string.punctuation
_COMPOSED = {*"<=>"}  # with U+0338 they become "≮", "≠" and "≯", which are symbols and no punctuation
_BLANK = "\t\n\r "  # other ASCII control characters are removed by some normalizers, and part nothing then
_NORMALIZERS = ("BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents")
_AFTERWARDS = ("BertPreTokenizer", "ByteLevel", "Digits", "Metaspace", "Punctuation", "Whitespace", "WhitespaceSplit")


def exact_cuts(tokenizer: Any) -> Cuts:
    """The cuts of a `tokenizers.Tokenizer` for which "[SEP]" in a text is a word (`encode_special_tokens`).

    All False where no cut is known to be exact: another normalizer or pre-tokenizer, BPE with dropout, added tokens
    that take spaces beside them.
    """
    record = json.loads(tokenizer.to_str())
    added = [token for token in record["added_tokens"] if not token["special"]]
    model = record["model"]
    known = (
        tokenizer.encode_special_tokens
        and model["type"] in ("BPE", "Unigram", "WordLevel", "WordPiece")
        and not model.get("dropout")
        and all(part["type"] in _NORMALIZERS for part in _parts(record["normalizer"], "normalizers"))
        and not any(token["lstrip"] or token["rstrip"] for token in added)
    )
    cuts = _parted(_parts(record["pre_tokenizer"], "pretokenizers")) if known else _pairs()
    taken = {"_", *"".join(token["content"] for token in added)} if added else set()  # `single_word` asks for "_" too
    if any(part["type"] in ("NFC", "NFKC") for part in _parts(record["normalizer"], "normalizers")):
        taken |= _COMPOSED
    places = [ord(character) for character in taken - {*_WORD} if character < _OTHERS]
    cuts[places] = cuts[:, places] = False
    return cuts


def _parts(component: dict[str, Any] | None, of: str) -> list[dict[str, Any]]:
    """The members of a sequence, or what stands alone."""
    if component is None:
        return []
    return [part for member in component[of] for part in _parts(member, of)] if of in component else [component]


def _parted(steps: list[dict[str, Any]]) -> Cuts:
    """The pairs that these pre-tokenizers part, whatever stands beside them."""
    match [(step["type"], step) for step in steps]:
        case [("BertPreTokenizer", _)]:  # at white space, and around every punctuation mark
            within = _WORD + _OTHERS
            return _pairs(within + _MARKS + _BLANK, _MARKS + _BLANK) | _pairs(_MARKS + _BLANK, within)
        # The others: before the first of some spaces, so that a part begins with all of them, or with the text.
        case [("ByteLevel", {"use_regex": True, "add_prefix_space": prefix})]:
            # ` ?\p{L}+` and ` ?\p{N}+` end at a mark; but a mark that begins a part might get a space before it.
            return _pairs(_WORD + _MARKS, " ") | _pairs(_WORD, "" if prefix else _MARKS)
        case [("Metaspace", {"split": True})]:
            return _pairs(_WORD + _MARKS, " ")
        case [("Whitespace" | "WhitespaceSplit", _), *others] if all(kind in _AFTERWARDS for kind, _ in others):
            return _pairs(_WORD + _MARKS, " ")
    return _pairs()


def _pairs(left: Iterable[str] = "", right: Iterable[str] = "") -> Cuts:
    cuts = np.zeros((129, 129), np.bool_)
    cuts[np.ix_([ord(character) for character in left], [ord(character) for character in right])] = True
    return cuts
