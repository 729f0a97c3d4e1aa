"""datasketch: `MinHash.bulk` with xxhash and the `affine32` scheme, `MinHashLSH` with given bands, greedy keep.

LSH candidates are not verified: the library has no verification, and estimates instead.
"""

from __future__ import annotations

import xxhash
from datasketch import MinHash, MinHashLSH

from benchmarks.curation.brute_force import words
from benchmarks.curation.peers.documents import arguments, longest_first, ngrams, read, write

BANDS, ROWS, BATCH = 20, 8, 1000


def main() -> None:
    options = arguments()
    table = read(options.documents)
    texts = table["text"].to_pylist()
    order = longest_first(texts)
    lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    kept = []
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        sets = ([gram.encode() for gram in ngrams(words(texts[row]))] for row in rows)
        sketches = MinHash.bulk(sets, num_perm=BANDS * ROWS, hashfunc=xxhash.xxh32_intdigest, scheme="affine32")
        for row, sketch in zip(rows, sketches, strict=True):
            if not lsh.query(sketch):
                lsh.insert(row, sketch, check_duplication=False)
                kept.append(row)
    write(table, kept, options.out)


if __name__ == "__main__":
    main()
