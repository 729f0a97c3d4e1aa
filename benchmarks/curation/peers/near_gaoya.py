"""gaoya: `MinHashStringIndex` with its own words (in Rust, the fastest way it has), all documents in bulk, greedy keep.

It checks candidates against the estimated similarity.
"""

from __future__ import annotations

from gaoya.minhash import MinHashStringIndex

from benchmarks.curation.peers.documents import arguments, longest_first, read, write

BANDS, ROWS, THRESHOLD = 20, 8, 0.8


def main() -> None:
    options = arguments()
    table = read(options.documents)
    texts = table["text"].to_pylist()
    order = longest_first(texts)
    ordered = [texts[row] for row in order]
    index = MinHashStringIndex(
        hash_size=32,
        num_bands=BANDS,
        band_size=ROWS,
        jaccard_threshold=THRESHOLD,
        analyzer="word",
        lowercase=True,
        ngram_range=(5, 5),
        id_container="vec",
    )
    index.par_bulk_insert_docs(list(range(len(ordered))), ordered)
    stays = [True] * len(ordered)
    for place, similar in enumerate(index.par_bulk_query(ordered)):
        stays[place] = not any(other < place and stays[other] for other in similar)
    write(table, [row for row, keep in zip(order, stays, strict=True) if keep], options.out)


if __name__ == "__main__":
    main()
