"""Speed of replacing personal data: the kinds that datatrove knows, ours against its `PIIFormatter`; and all of ours.

    python -m benchmarks.curation.pii_speed --cache DIR [--megabytes N] [--rounds 3]

Both read the same Parquet files, replace addresses of e-mail and public IP addresses, and write the texts that changed,
which are compared; precision and recall stand in `benchmarks.curation.pii`.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import compare, product, side, speed_table, where
from benchmarks.curation.peers.environment import python

PEER, ALL = "datatrove 0.10.1", "textmill, all kinds and secrets"


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    folder = cache / "runs" / "pii"
    peer = side([python(cache), "-m", "benchmarks.curation.peers.pii_datatrove"])
    sides = {"textmill": product("pii"), PEER: peer, ALL: product("pii_and_secrets")}
    runs = compare(sides, made.documents, made.one, folder, options.rounds)
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill", made.megabytes))
    print(f"\n{told(folder / 'textmill' / 'out', folder / PEER / 'out')}")


def told(ours: Path, theirs: Path) -> str:
    """How many documents each side changed, and how many both."""
    one, other = (set(pq.read_table(out / "replaced.parquet")["id"].to_pylist()) for out in (ours, theirs))
    return f"documents changed by ours {len(one)}, by datatrove {len(other)}, by both {len(one & other)}"


if __name__ == "__main__":
    main()
