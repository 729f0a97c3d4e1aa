"""The statistics of one text by their definitions, one after another, in plain Python."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from tasks.dedup.kernels import SINGLE
from tasks.dedup.words import alphabet

LINE_ENDS = ".!?。！？．｡‼⁇⁈⁉։؟۔।॥။።፧។៕"
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def plain_statistics(text: str) -> dict[str, float]:
    spans = _words(text)
    words = [text[low:high] for low, high in spans]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    kinds = [unicodedata.category(character)[0] for character in text]
    lower = text.lower()
    found: dict[str, float] = {
        "bytes": len(text.encode()),
        "characters": len(text),
        "words": len(words),
        "mean_word_length": _share(sum(map(len, words)), len(words)),
        "longest_word": max(map(len, words), default=0),
        "alphabetic_words": _share(sum(any(map(_is_letter, word)) for word in words), len(words)),
        "hash_ratio": _share(text.count("#"), len(words)),
        "ellipsis_ratio": _share(text.count("...") + text.count("…"), len(words)),
        "special_characters": _share(
            sum(kind not in "LMN" and not character.isspace() for kind, character in zip(kinds, text, strict=True)),
            len(text),
        ),
        "digits": _share(kinds.count("N"), len(text)),
        "curly_braces": text.count("{") + text.count("}"),
        "stop_words": len(STOP_WORDS.intersection(word.lower() for word in words)),
        "sentences": len(re.findall(r"[.!?。！？](?=\s|\Z)", text)),
        "lorem_ipsum": lower.count("lorem ipsum"),
        "lines": len(lines),
        "bullet_lines": _share(sum(line.startswith(tuple("•-*‣▪◦·")) for line in lines), len(lines)),
        "ellipsis_lines": _share(sum(line.endswith(("…", "...")) for line in lines), len(lines)),
        "punctuated_lines": _share(sum(line.endswith(tuple(LINE_ENDS)) for line in lines), len(lines)),
        "code_lines": _share(sum(line.endswith((";", "{", "}")) for line in lines), len(lines)),
        "short_lines": _share(sum(len(line) <= 30 for line in text.split("\n") if line.strip()), len(lines)),
        "newline_ratio": _share(text.count("\n"), len(words)),
    }
    for name, parts in (("line", lines), ("paragraph", paragraphs)):
        repeats = [part for at, part in enumerate(parts) if part in parts[:at]]
        found[f"duplicate_{name}s"] = _share(len(repeats), len(parts))
        found[f"duplicate_{name}_characters"] = _share(sum(map(len, repeats)), len(text))
    for n in (2, 3, 4):
        found[f"top_{n}_gram"] = _share(_top(spans, words, n), len(text))
    for n in range(5, 11):
        found[f"duplicate_{n}_gram"] = _share(_duplicate(words, n), len(text))
    return found


def _words(text: str) -> list[tuple[int, int]]:
    """Where words stand: between white space, but for code points that are words by themselves."""
    spans, start = [], None
    for at, character in enumerate(f"{text}\n"):
        single = at < len(text) and alphabet().classes[ord(character)] == SINGLE
        if (character.isspace() or single) and start is not None:
            spans.append((start, at))
            start = None
        if single:
            spans.append((at, at + 1))
        elif not character.isspace() and start is None:
            start = at
    return spans


def _top(spans: list[tuple[int, int]], words: list[str], n: int) -> int:
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    counts = Counter(grams)
    if not grams:
        return 0
    best = max(counts, key=lambda gram: counts[gram])  # the earliest of several
    first = grams.index(best)
    return counts[best] * (spans[first + n - 1][1] - spans[first][0])


def _duplicate(words: list[str], n: int) -> int:
    seen, at, characters = set(), 0, 0
    while at + n <= len(words):
        gram = tuple(words[at : at + n])
        if gram in seen:
            characters += sum(map(len, gram))
            at += n
        else:
            seen.add(gram)
            at += 1
    return characters


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
