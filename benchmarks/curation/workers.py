"""Two worker processes against one: ingest, clean and measure of the same corpus, total CPU and wall time.

    python -m benchmarks.curation.workers --cache DIR [--megabytes N] [--rounds 3]

The wall time says something on an idle machine only. Start-up (on one document) is taken off both.
"""

from __future__ import annotations

from benchmarks.curation.chain import configure
from benchmarks.curation.corpus import arguments, corpus, json_lines
from benchmarks.curation.measured import Runs, compare, product, ratios, speed_table, spread, where

ONE, TWO = "1 worker", "2 workers"


def wall(runs: Runs) -> list[float]:
    return [max(run.wall - runs.warm.wall, 1e-9) for run in runs.rounds]


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    whole, one = json_lines(made)
    for lines in (whole, one):
        configure(lines)
    sides = {
        name: product("measures", {"TEXTMILL_WORKERS": str(number)}) for number, name in enumerate((ONE, TWO), start=1)
    }
    runs = compare(sides, whole, one, cache / "runs" / "workers", options.rounds)
    faster = [slow / fast for slow, fast in zip(wall(runs[ONE]), wall(runs[TWO]), strict=True)]
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, ONE, made.megabytes))
    print(f"\ntwo workers: {spread(ratios(runs, ONE, TWO), 2)} times the CPU of one, {spread(faster, 2)} times as fast")


if __name__ == "__main__":
    main()
