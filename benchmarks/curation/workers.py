"""Two worker processes against one: clean and measure of the same documents, total CPU and wall time.

    python -m benchmarks.curation.workers --cache DIR [--megabytes N] [--rounds 3]

These two stages are spread over processes; reading the files of a user (`ingest`) and `select` are one process each.
The wall time says something on an idle machine only. Start-up (on one document) is taken off both.
"""

from __future__ import annotations

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import compare, product, ratios, speed_table, spread, where

ONE, TWO = "1 worker", "2 workers"


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    sides = {
        name: product("measures", {"TEXTMILL_WORKERS": str(number)}) for number, name in enumerate((ONE, TWO), start=1)
    }
    runs = compare(sides, made.documents, made.one, cache / "runs" / "workers", options.rounds)
    faster = [slow / fast for slow, fast in zip(runs[ONE].wall, runs[TWO].wall, strict=True)]
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, ONE, made.megabytes))
    print(
        f"\ntwo workers: CPU of one times {spread(ratios(runs, ONE, TWO), 2)}, speed of one times {spread(faster, 2)}"
    )


if __name__ == "__main__":
    main()
