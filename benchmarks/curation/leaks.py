"""Decontamination on planted leaks: which kinds are found, and what falls that shares boilerplate alone.

    python -m benchmarks.curation.leaks --cache DIR [--megabytes N]

The held-out texts are those of the corpus (`corpus.py`), a group each; a document leaks by the defaults of
`select.decontaminate`.
"""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq

from benchmarks.curation.corpus import arguments, corpus
from benchmarks.curation.measured import where
from pipeline_config.selection import DecontaminateConfig
from tasks.corpus.document import iter_documents
from tasks.dedup.containment import NONE, find_leaks, index_held_out

BATCH = 1024  # documents


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    made, config = corpus(options.cache.resolve(), options.megabytes), DecontaminateConfig()
    held_out = pq.read_table(made.folder / "held_out.parquet")["text"].to_pylist()
    index = index_held_out(
        held_out,
        list(range(len(held_out))),
        size=config.ngram_size,
        minimum_words=config.min_words,
        boilerplate_groups=config.boilerplate_groups,
        shingle_size=5,
    )
    leaking: set[bytes] = set()
    for batch in iter_documents(made.documents, ["id", "text"], BATCH):
        leaks = find_leaks(index, batch["text"].to_pylist(), share=config.containment, jaccard=config.jaccard)
        leaking |= {key for key, text in zip(batch["id"].to_pylist(), leaks.text, strict=True) if text != NONE}
    truth = made.truth.to_pylist()
    planted = Counter(row["kind"] for row in truth)
    found = Counter(row["kind"] for row in truth if row["planted"] in leaking)
    others = len(leaking - {row["planted"] for row in truth})
    print(f"\n{made.megabytes:.1f} MB, {len(held_out)} held-out texts; {where()}\n")
    print("| planted | found | of |\n|---|---|---|")
    for kind in planted:
        if kind.startswith("leak") or kind == "boilerplate":
            print(f"| {kind} | {found[kind]} | {planted[kind]} |")
    print(f"\n{others} other documents leak a held-out text: what the wheels themselves repeat")


if __name__ == "__main__":
    main()
