"""datatrove's `PIIFormatter` (addresses of e-mail and public IP addresses) over every document."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.pipeline.formatters import PIIFormatter

from benchmarks.curation.peers.documents import arguments, read


def main() -> None:
    options = arguments()
    formatter = PIIFormatter()
    table = read(options.documents)
    changed = {}
    for row, text in enumerate(table["text"].to_pylist()):
        replaced = formatter.format(text)
        if replaced != text:
            changed[table["id"][row].as_py()] = replaced
    pq.write_table(pa.table({"id": [*changed], "text": [*changed.values()]}), options.out / "replaced.parquet")


if __name__ == "__main__":
    main()
