"""Was it right? A random sample of what each step dropped, and of what was kept, to be judged by a person.

Strata are the steps and the kept documents, each with as many documents as the others as far as it has them, so that a
rare step is judged as well as a frequent one. Drawn by a hash of the id: the same sample from the same corpus.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline_config.clean import CleanConfig, Edit
from tasks.corpus.document import documents_at, read_documents, reference
from tasks.corpus.redaction.settings import masked
from tasks.runtime.artifact import CleanCorpus, Corpus
from tasks.runtime.errors import RefusedInput

COLUMNS = (
    "document",
    "source",
    "step",
    "reason",
    "value",
    "threshold",
    "matched",
    "text",
    "matched_text",
    "right",
    "corpus",
)
KEPT = "kept"
EXCERPT = 600
Z = NormalDist().inv_cdf(0.975)
"""Of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Precision:
    step: str
    """`kept`: of the kept documents, those that should stay."""
    right: int
    judged: int
    unjudged: int
    """Rows without an answer."""
    low: float
    """95 % interval."""
    high: float

    @property
    def share(self) -> float | None:
        return self.right / self.judged if self.judged else None


def wilson(right: int, judged: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927, JASA 22:209-212); nothing judged: (0, 1)."""
    if not judged:
        return 0.0, 1.0
    share, spread = right / judged, Z**2 / judged
    centre = share + spread / 2
    width = Z * sqrt(share * (1 - share) / judged + spread / (4 * judged))
    return max(0.0, (centre - width) / (1 + spread)), min(1.0, (centre + width) / (1 + spread))


def allotted(sizes: list[int], count: int) -> list[int]:
    """How many of each stratum to draw: equal numbers, those of small strata filled up from the others."""
    drawn = [0] * len(sizes)
    while count > 0 and (room := [at for at, size in enumerate(sizes) if drawn[at] < size]):
        for at in room[:count]:
            drawn[at] += 1
        count -= len(room[:count])
    return drawn


def sample(corpus: Corpus, clean: CleanCorpus, count: int) -> Iterator[dict[str, str]]:
    """The rows of a sample, by step, then in order of id; texts are masked as clean's edits do in any source."""
    edits = CleanConfig.model_validate(clean.config).edits
    ledger = pq.read_table(corpus.path / "ledger.parquet")
    kept = np.array(ledger["decision"].to_pylist()) == KEPT
    steps = np.where(kept, KEPT, np.array(ledger["step"].to_pylist(), object)).astype(str)
    present = set(steps.tolist())
    order = [KEPT, *(row["step"] for row in corpus.metrics["steps"])]
    names = [name for name in dict.fromkeys(order) if name in present]
    strata = [np.flatnonzero(steps == name) for name in names]
    for rows, number in zip(strata, allotted([len(rows) for rows in strata], count), strict=True):
        keys = [hashlib.blake2b(one.as_py(), digest_size=8, key=b"audit").digest() for one in ledger["id"].take(rows)]
        chosen = np.sort(rows[sorted(range(len(rows)), key=keys.__getitem__)[:number]])
        rows_told = _told(ledger.take(chosen).to_pylist(), chosen.tolist(), clean.path / "documents", edits)
        yield from (row | {"corpus": corpus.fingerprint} for row in rows_told)


def _told(
    rows: list[dict[str, Any]], places: list[int], documents: Path, edits: Sequence[Edit]
) -> Iterator[dict[str, str]]:
    ids = read_documents(documents, ["id"])["id"]
    twins = {row["matched_id"]: ids.index(row["matched_id"]).as_py() for row in rows if row["matched_id"]}
    texts = documents_at(documents, [*places, *(at for at in twins.values() if at >= 0)])
    for at, row in zip(places, rows, strict=True):
        twin = twins.get(row["matched_id"], -1)  # held-out texts are no documents
        yield {
            "document": reference(row["id"]),
            "source": row["source"],
            "step": KEPT if row["decision"] == KEPT else row["step"],
            "reason": row["reason"] or "",
            "value": "" if row["value"] is None else f"{row['value']:.6g}",
            "threshold": "" if row["threshold"] is None else f"{row['threshold']:.6g}",
            "matched": reference(row["matched_id"]) if row["matched_id"] else "",
            "text": _excerpt(texts[at]["text"], edits),
            "matched_text": _excerpt(texts[twin]["text"], edits) if twin >= 0 else "",
            "right": "",
        }


def _excerpt(text: str, edits: Sequence[Edit]) -> str:
    """In quotes: what begins with `=` or `@` would be carried out by a spreadsheet."""
    most = 10 * EXCERPT
    flat = " ".join(masked(text[:most], edits).split())  # cut afterwards: half a number is not recognised
    return f"“{flat[:EXCERPT]}{'…' if len(flat) > EXCERPT or len(text) > most else ''}”"


def write_sample(file: Path, rows: Iterator[dict[str, str]]) -> dict[str, int]:
    """Write the rows as CSV (UTF-8); return how many there are of each step."""
    counts: dict[str, int] = {}
    with file.open("w", encoding="utf-8", newline="") as target:
        table = csv.DictWriter(target, COLUMNS)
        table.writeheader()
        for row in rows:
            table.writerow({name: value.encode("utf-8", "replace").decode() for name, value in row.items()})
            counts[row["step"]] = counts.get(row["step"], 0) + 1
    return counts


def read_answers(file: Path) -> tuple[str, list[Precision]]:
    """The fingerprint of the corpus that a sample is of, and each step's precision, from a sample whose column `right`
    says yes or no (or nothing yet). Commas or semicolons stand between the columns: spreadsheets write either.

    Raises:
        RefusedInput: it is no such file, or some answers are neither, or it holds samples of several corpora; the
            message gives their lines.
    """
    answers: dict[str, list[bool | None]] = {}
    corpora: dict[str, int] = {}
    wrong: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            delimiter = ";" if source.readline().startswith(f"{COLUMNS[0]};") else ","
            source.seek(0)
            table = csv.DictReader(source, delimiter=delimiter)
            missing = [name for name in ("step", "right", "corpus") if name not in (table.fieldnames or ())]
            if missing:
                raise RefusedInput(f"{file}, line 1: no column {missing[0]!r}. Expected what --out wrote.")
            for row in table:
                step, right = row["step"], (row["right"] or "").strip().lower()
                if None in row or not step or not row["corpus"]:
                    wrong.append(f"line {table.line_num}: {'more' if None in row else 'fewer'} cells than columns")
                elif right not in ("yes", "no", ""):
                    wrong.append(f"line {table.line_num}: right={row['right']!r}")
                else:
                    answers.setdefault(step, []).append({"yes": True, "no": False, "": None}[right])
                    corpora.setdefault(row["corpus"], table.line_num)
    except OSError as error:
        raise RefusedInput(f"{file}: cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedInput(f"{file}: cannot be read as CSV in UTF-8 ({error}).") from None
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise RefusedInput(f"{file}: expected yes, no or nothing in `right`. {'; '.join(wrong[:10])}{more}")
    if len(corpora) != 1:
        found = ", ".join(f"select/{name[:10]} from line {line} on" for name, line in corpora.items()) or "no rows"
        raise RefusedInput(f"{file}: expected answers about one corpus, got {found}.")
    return next(iter(corpora)), [_precision(step, given) for step, given in answers.items()]


def _precision(step: str, given: list[bool | None]) -> Precision:
    judged = [answer for answer in given if answer is not None]
    low, high = wilson(sum(judged), len(judged))
    return Precision(step, sum(judged), len(judged), len(given) - len(judged), low, high)
