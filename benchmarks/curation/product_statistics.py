"""The product's side of the comparison of filter statistics: read, measure, judge by each published rule, write.

python -m benchmarks.curation.product_statistics --documents DIR --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline_config.rule_presets import DOMAIN_START
    from pipeline_config.rules import DuplicateLinesRule
    from tasks.corpus.document import iter_documents
    from tasks.curation.judge import judge
    from tasks.curation.measures.statistics import statistics

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    fineweb = DuplicateLinesRule(kind="duplicate_lines", maximum=1, maximum_characters=0.01)
    rules = {**{rule.kind: rule for rule in DOMAIN_START}, "duplicate_lines_fineweb": fineweb}
    parts = []
    for batch in iter_documents(options.documents, ["id", "text"], 1024):
        measured = statistics(batch["text"])
        verdicts = {name: pa.array(judge(rule, measured).drop) for name, rule in rules.items()}
        parts.append(pa.table({"id": batch["id"], **verdicts}))
    pq.write_table(pa.concat_tables(parts), options.out / "verdicts.parquet", compression="zstd")


if __name__ == "__main__":
    main()
