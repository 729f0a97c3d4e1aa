"""Precision and recall of the edits `pii` and `secrets` on a generated set with hard negatives.

    python -m benchmarks.curation.pii [--per-kind 500] [--errors N]

Every sentence is made from a seed. A hit counts only with the right kind and exactly the right stretch. Numbers that a
check digit alone does not tell from others are planted behind the word that names them, as forms do, and as often
without one: the first recall is that behind the word, the second that over all. Of those that need no word and have
none, one half are a column of a row, with numbers on both sides. One number in three is typeset, with other spaces and
hyphens than a keyboard has. The hard negatives are what technical text is full of: they are the same for all kinds.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from benchmarks.curation.credentials import CREDENTIALS
from benchmarks.curation.lookalikes import NEGATIVES
from benchmarks.curation.personal import PERSONAL, digits, phone, typeset
from pipeline_config.clean import PiiConfig, SecretsConfig
from tasks.corpus.redaction.pattern import find
from tasks.corpus.redaction.settings import patterns

PII, SECRETS = PiiConfig(kind="pii"), SecretsConfig(kind="secrets")


@dataclass(frozen=True)
class Sentence:
    text: str
    kind: str
    """Of the one hit that is planted in it; empty in a hard negative."""
    start: int = 0
    end: int = 0
    bare: bool = False
    """Without a word that names the number."""


AS_TYPED = ("email", "ip_address")
"""What is never typeset."""
BEFORE = ("", "We noted this in the log of Monday: ", "See the appendix (page 12). ", "As agreed, ", '{"entry": "')
AFTER = ("", ".", ", thank you.", " (see the file)", "\n", " was seen twice.", "; nothing else.")

AFTERS = {"card": (*AFTER, " 123", " 07/28")}
"""Behind a card there may stand its code, or until when it holds."""


def sentences(per_kind: int, seed: int = 1) -> Iterator[Sentence]:
    """`per_kind` sentences for every kind (twice that for those that need a word), and for every hard negative."""
    rng = random.Random(seed)

    def planted(kind: str, written: str, word: str, bare: bool) -> Sentence:
        gap = "" if word.endswith(("<", "=", "/", "'", '"')) else " "
        ahead = rng.choice(BEFORE) + word + gap * bool(word)
        written = written if kind in AS_TYPED else typeset(rng, written)
        behind = ">" if word == "<" else rng.choice(AFTERS.get(kind, AFTER))
        if not word and not bare and rng.randrange(2):
            ahead, behind = f"{digits(rng, rng.randrange(1, 6))},", f",{digits(rng, rng.randrange(1, 6))}"
        return Sentence(ahead + written + behind, kind, len(ahead), len(ahead) + len(written), bare)

    for kind, (make, words, strong) in PERSONAL.items():
        for _ in range(per_kind):
            word = rng.choice(("", *words)) if strong else rng.choice(words)
            yield planted(kind, make(rng), word, False)
            if not strong:
                yield planted(kind, make(rng), "", True)
    for _ in range(per_kind):
        written, strong = phone(rng)
        yield planted("phone", written, rng.choice(["Tel.", "phone:", "Mobile", "Fax"]), False)
        written, strong = phone(rng)
        yield planted("phone", written, "", not strong)
    for kind, make in CREDENTIALS.items():
        for _ in range(per_kind):
            ahead, written, behind = make(rng)
            start = rng.choice(BEFORE)
            yield Sentence(start + ahead + written + behind, kind, len(start + ahead), len(start + ahead + written))
    for make in NEGATIVES.values():
        for _ in range(per_kind):
            yield Sentence(rng.choice(BEFORE) + typeset(rng, make(rng)) + rng.choice(AFTER), "")


@dataclass
class Score:
    planted: int = 0
    found: int = 0
    wrong: int = 0
    bare: int = 0
    bare_found: int = 0

    @property
    def precision(self) -> float:
        found = self.found + self.bare_found
        return found / (found + self.wrong) if found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else 1.0

    @property
    def recall_of_all(self) -> float:
        """Over numbers that no word names, too."""
        return (self.found + self.bare_found) / (self.planted + self.bare)


@cache
def known() -> tuple[object, ...]:
    return (*patterns(SECRETS), *patterns(PII))


def scores(per_kind: int, seed: int = 1) -> tuple[dict[str, Score], list[tuple[str, str, str]]]:
    """By kind, and the errors as (kind, what, sentence)."""
    by_kind: dict[str, Score] = defaultdict(Score)
    errors = []
    for sentence in sentences(per_kind, seed):
        hits = find(sentence.text, known())
        right = (sentence.start, sentence.end, sentence.kind)
        if sentence.kind:
            score = by_kind[sentence.kind]
            hit = right in hits
            if sentence.bare:
                score.bare += 1
                score.bare_found += hit
            else:
                score.planted += 1
                score.found += hit
                if not hit:
                    errors.append((sentence.kind, "missed", sentence.text))
        for start, end, kind in hits:
            if (start, end, kind) != right:
                by_kind[kind].wrong += 1
                errors.append((kind, f"wrong: {sentence.text[start:end]}", sentence.text))
    return dict(by_kind), errors


def table(by_kind: dict[str, Score]) -> str:
    rows = [
        "| kind | planted | precision | recall behind the word | recall of all | wrong hits | found without the word |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, score in by_kind.items():
        bare = f"{score.bare_found} of {score.bare}" if score.bare else ""
        rows.append(
            f"| `{kind}` | {score.planted + score.bare} | {score.precision:.3f} | {score.recall:.3f} "
            f"| {score.recall_of_all:.3f} | {score.wrong} | {bare} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-kind", type=int, default=500)
    parser.add_argument("--errors", type=int, default=0, help="how many to print of every kind")
    arguments = parser.parse_args()
    by_kind, errors = scores(arguments.per_kind)
    print(table(by_kind))
    shown = Counter[str]()
    for kind, what, text in errors:
        shown[kind] += 1
        if shown[kind] <= arguments.errors:
            print(f"{kind} {what!r}: {text!r}")


if __name__ == "__main__":
    main()
