"""All statistics of the published filters in one pass, beside datatrove's own functions: speed, and agreement per rule.

    python -m benchmarks.curation.statistics --cache DIR [--megabytes N] [--rounds 3]

Both read the same Parquet files, in one process each. datatrove is given the words and sentences of our definitions,
which cost it less than its own, and computes every statistic (no filter stops early); beside that stand the filters as
they come, with its own words, each document until one drops it. Agreement is that of verdicts, rule by rule, with the
published thresholds, over at least 20 000 documents; there it is given lines without white space at their ends, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import Command, Side, compare, measured, side, speed_table, where
from benchmarks.curation.peers.environment import python

AS_IT_COMES = "datatrove 0.10.1, filters as they come"
MODULE = "benchmarks.curation.peers.statistics_datatrove"


def sides(peer: str) -> dict[str, Side]:
    trove = [peer, "-m", MODULE]
    return {
        "textmill": side([sys.executable, "-m", "benchmarks.curation.product_statistics"]),
        "datatrove 0.10.1, our words": side([*trove, "--what", "all", "--words", "ours"]),
        AS_IT_COMES: side([*trove, "--what", "stock", "--words", "spacy"]),
    }


def agreement(ours: Path, theirs: Path) -> str:
    """Markdown: per rule how many documents each drops, and the share with the same verdict."""
    one, other = pq.read_table(ours).sort_by("id"), pq.read_table(theirs).sort_by("id")
    assert one["id"].to_pylist() == other["id"].to_pylist(), "verdicts on other documents"
    lines = ["| rule | ours drops | datatrove drops | same verdict |", "|---|---|---|---|"]
    for name in other.column_names[1:]:
        mine, its = one[name].to_numpy(), other[name].to_numpy()
        same = np.mean(mine == its) if len(mine) else 1.0
        lines.append(f"| {name} | {mine.sum()} | {its.sum()} | {100 * same:.2f} % |")
    return "\n".join(lines)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    folder = cache / "runs" / "statistics"
    peer = python(cache)
    runs = compare(sides(peer), made.documents, made.one, folder, options.rounds, once=[AS_IT_COMES])
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill", made.megabytes))
    ours = folder / "textmill" / "out" / "verdicts.parquet"
    for words, said in (("ours", "the same words and sentences"), ("spacy", "its own words and sentences")):
        out = folder / f"verdicts-{words}"
        out.mkdir(exist_ok=True)
        argv = [peer, "-m", MODULE, "--documents", str(made.documents), "--out", str(out)]
        measured(Command([*argv, "--what", "verdicts", "--words", words]), folder / f"verdicts-{words}.log")
        print(f"\nVerdicts, datatrove with {said}, {pq.read_metadata(ours).num_rows} documents\n")
        print(agreement(ours, out / "verdicts.parquet"))


if __name__ == "__main__":
    main()
