"""Near-duplicates end to end (read, sign, walk, verify, write): ours and five others, and what each keeps and loses.

    python -m benchmarks.curation.near_duplicates --cache DIR [--megabytes N] [--rounds 3]

All read the same Parquet files and sign sets of word 5-grams with 20 bands of 8 rows (recall 0.97 at a Jaccard of 0.8).
The order is longest first where a tool lets one choose. Verification is on where a tool has it: rensa and gaoya check
estimates, datasketch and datatrove check nothing, ours checks exact Jaccards.

Quality is judged by `brute_force`, which shares no code with the product:

    (a) of the removed documents, the share that has a kept one at Jaccard ≥ 0.8 (copies of a text count by themselves)
    (b) of planted pairs that resemble nothing else, the share found, per bin of Jaccard, beside 1 − (1 − J⁸)²⁰
    (c) twins left: kept documents that have another kept one at Jaccard ≥ 0.8; of 20 words or more, as ours leaves
        shorter ones alone unless they are equal
    (d) text lost: distinct 5-grams that no kept document holds, per removed document
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.curation.brute_force import Sets, best_twins, shingle_sets
from benchmarks.curation.corpus import Corpus, arguments, corpus
from benchmarks.curation.measured import Side, compare, product, side, speed_table, where
from benchmarks.curation.peers.environment import python

AS_IT_COMES = "datatrove 0.10.1"
BANDS, ROWS, THRESHOLD, SHORT = 20, 8, 0.8, 20
ALONE = 0.5  # a planted pair is alone if nothing else has so high a Jaccard with either
BINS = (0.8, 0.85, 0.9, 0.95, 1.0)


def sides(cache: Path) -> dict[str, Side]:
    def peer(name: str, *more: str) -> Side:
        return side([python(cache), "-m", f"benchmarks.curation.peers.near_{name}"], more)

    return {
        "textmill": product("near_duplicates"),
        "rensa 0.5.0": peer("rensa"),
        "gaoya 0.2.2": peer("gaoya"),
        "datasketch 2.0.0": peer("datasketch"),
        "datatrove 0.10.1, our words": peer("datatrove", "--words", "ours"),
        AS_IT_COMES: peer("datatrove", "--words", "spacy"),
    }


def kept_ids(out: Path) -> set[bytes]:
    """What a side kept. datatrove writes ids in hexadecimal."""
    ids = [
        value
        for path in sorted(out.glob("kept*/*.parquet")) + sorted(out.glob("kept.parquet"))
        for value in pq.read_table(path, columns=["id"])["id"].to_pylist()
    ]
    return {bytes.fromhex(value) if isinstance(value, str) else value for value in ids}


def recall(jaccard: np.ndarray) -> np.ndarray:
    return 1 - (1 - jaccard**ROWS) ** BANDS


class Judge:
    """Knows the texts, and judges what is kept."""

    def __init__(self, made: Corpus) -> None:
        table = pa.concat_tables(
            pq.read_table(path, columns=["id", "text"]) for path in sorted(made.documents.glob("*.parquet"))
        )
        self.ids = table["id"].to_pylist()
        texts = table["text"].to_pylist()
        self.sets: Sets = shingle_sets(texts)
        first: dict[str, int] = {}
        self.leader = np.array([first.setdefault(text, row) for row, text in enumerate(texts)])
        self.pairs = self._pairs(made.truth)

    def _pairs(self, truth: pa.Table) -> list[tuple[int, int, float]]:
        """Planted near-duplicates that resemble nothing else: (document, document, Jaccard)."""
        row_of = {value: row for row, value in enumerate(self.ids)}
        near = [row for row in truth.to_pylist() if row["kind"] == "near" and row["jaccard"] >= THRESHOLD]
        ends = np.array([(row_of[row["planted"]], row_of[row["of"]]) for row in near]).reshape(-1, 2)
        partner = {int(a): int(b) for pair in ends for a, b in (pair, pair[::-1])}
        asked = np.array(sorted(partner))
        others = best_twins(self.sets, asked, np.arange(len(self.ids)), ALONE, apart=partner)[0]
        alone = {int(row) for row, other in zip(asked, others, strict=True) if other < 0}
        return [
            (int(a), int(b), row["jaccard"])
            for (a, b), row in zip(ends, near, strict=True)
            if int(a) in alone and int(b) in alone
        ]

    def __call__(self, kept_documents: set[bytes]) -> dict[str, str]:
        kept = np.array([value in kept_documents for value in self.ids])
        removed = np.flatnonzero(~kept)
        # A text that stays in another copy is not lost: only the first of its copies is asked about.
        copies = set(self.leader[kept].tolist())
        asked = np.array([row for row in removed if self.leader[row] not in copies], np.int64)
        twin, _ = best_twins(self.sets, asked, np.flatnonzero(kept), THRESHOLD)
        with_twin = len(removed) - int((twin < 0).sum())
        long = np.flatnonzero(kept & (self.sets.words >= SHORT))
        left = int((best_twins(self.sets, long, long, THRESHOLD)[0] >= 0).sum())
        inside = np.repeat(kept, np.diff(self.sets.offsets))
        lost = len(np.setdiff1d(self.sets.values[~inside], self.sets.values[inside]))
        return {
            "removed": str(len(removed)),
            "(a) with a kept twin": f"{100 * with_twin / max(len(removed), 1):.1f} %",
            **{f"(b) {low:.2f}–{high:.2f}": self._found(kept, low, high) for low, high in pairwise(BINS)},
            "(c) twins left": str(left),
            "(d) 5-grams lost": f"{lost / max(len(removed), 1):.1f}",
        }

    def _found(self, kept: np.ndarray, low: float, high: float) -> str:
        """Found of pairs in a bin, and what theory expects: 1.96 standard deviations around the mean."""
        inside = [(a, b, j) for a, b, j in self.pairs if low <= j < high]
        found = sum(not (kept[a] and kept[b]) for a, b, _ in inside)
        chance = recall(np.array([j for _, _, j in inside]))
        mean, reach = chance.sum(), 1.96 * np.sqrt((chance * (1 - chance)).sum())
        return f"{found} of {len(inside)} ({max(mean - reach, 0):.0f}–{min(mean + reach, len(inside)):.0f})"


def quality_table(found: Mapping[str, Mapping[str, str]]) -> str:
    columns = list(next(iter(found.values())))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(row.values()) + " |" for name, row in found.items())])


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", help="sides to run, by the first letters of their names; all unless said")
    options = parser.parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    chosen = {
        name: side for name, side in sides(cache).items() if not options.only or name.startswith(tuple(options.only))
    }
    folder = cache / "runs" / "near_duplicates"
    runs = compare(chosen, made.documents, made.one, folder, options.rounds, once=[AS_IT_COMES])
    judge = Judge(made)
    quality = {name: judge(kept_ids(folder / name / "out")) for name in runs}
    print(
        f"\n{len(judge.ids)} documents, {made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n"
    )
    print(speed_table(runs, "textmill", made.megabytes))
    print(f"\n{len(judge.pairs)} planted pairs at Jaccard ≥ {THRESHOLD} that resemble nothing else\n")
    print(quality_table(quality))


if __name__ == "__main__":
    main()
