"""rensa: `RMinHashDeduplicator` with its LSH, which checks candidates against the estimated similarity."""

from __future__ import annotations

from rensa import RMinHashDeduplicator

from benchmarks.curation.brute_force import words
from benchmarks.curation.peers.documents import arguments, longest_first, ngrams, read, write

BANDS, ROWS, THRESHOLD = 20, 8, 0.8


def main() -> None:
    options = arguments()
    table = read(options.documents)
    texts = table["text"].to_pylist()
    order = longest_first(texts)
    found = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=BANDS * ROWS, use_lsh=True, num_bands=BANDS)
    keep = found.add_pairs((str(row), list(ngrams(words(texts[row])))) for row in order)
    write(table, [row for row, stays in zip(order, keep, strict=True) if stays], options.out)


if __name__ == "__main__":
    main()
